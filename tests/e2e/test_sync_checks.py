"""What `doctor` finds on a real Label Studio, healthy and broken."""

from __future__ import annotations

import socket

import pytest
from ml_contract_server import MlContractServer
from published import publish, window_of

from backend.sync.checks import Check, Reading, Verdict, check_project, check_server
from backend.sync.client import LabelStudioClient
from backend.sync.connect import connect_project

pytestmark = pytest.mark.e2e


@pytest.fixture
def connected(client: LabelStudioClient, make_project, ml_backend: MlContractServer, choice) -> int:
    project = make_project(3)
    connect_project(client, project, ml_backend.url, webhook_headers={"X-Webhook-Secret": "s"})
    publish(client, project, "window-1", window_of([task["id"] for task in client.iter_tasks(project)], choice))
    return project


def test_healthy_server(client: LabelStudioClient) -> None:
    checks = _by_name(check_server(client))
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert "legacy token of annotator@example.com" in checks["Token"].what


def test_absent_server_and_wrong_token(client: LabelStudioClient) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = LabelStudioClient(f"http://127.0.0.1:{probe.getsockname()[1]}", "a" * 40)
    (absent,) = check_server(nobody)
    assert (absent.name, absent.verdict) == ("Label Studio reachable", Verdict.FAIL)
    stranger = _by_name(check_server(LabelStudioClient(client.url, "a" * 40)))
    assert stranger["Token"].verdict is Verdict.FAIL
    assert "401" in stranger["Token"].what


def test_healthy_project(client: LabelStudioClient, connected: int, ml_backend: MlContractServer) -> None:
    checks = _project(client, connected, ml_backend)
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert checks["Model version"].what == "window-1, carried by 3 tasks"
    assert not any(check.fix for check in checks.values())


def test_before_the_first_queue_it_says_how_far_the_photos_are(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(3)
    connect_project(client, project, ml_backend.url)

    def queue(reading: Reading) -> Check:
        return _by_name(check_project(client, project, ml_backend.url, reading=reading))["Queue"]

    busy = queue(Reading(40, 2, 240))
    assert (busy.verdict, busy.what) == (Verdict.WARN, "still reading, 40 of 240 photos (2 cannot be read)")
    assert queue(Reading(0, 0, 0)).verdict is Verdict.WARN
    assert queue(Reading(0, 3, 3)).verdict is Verdict.FAIL


def test_unknown_project_is_one_failure(client: LabelStudioClient, ml_backend: MlContractServer) -> None:
    (check,) = check_project(client, 424242, ml_backend.url)
    assert check.verdict is Verdict.FAIL
    assert "404" in check.what


def test_version_moved_by_somebody_else(
    client: LabelStudioClient, connected: int, ml_backend: MlContractServer, choice
) -> None:
    other = _project(client, connected, ml_backend, published_version="window-2")
    assert other["Model version"].verdict is Verdict.FAIL
    assert "'window-1'" in other["Model version"].what
    client.transport.call("DELETE", f"/api/projects/{connected}/model-versions/", json={"model_version": "window-1"})
    none = _project(client, connected, ml_backend)
    assert none["Model version"].verdict is Verdict.FAIL
    assert "random" in none["Model version"].what


def test_backend_title_as_version_is_no_queue(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(1)
    connect_project(client, project, ml_backend.url)
    check = _by_name(check_project(client, project, ml_backend.url))["Model version"]
    assert check.verdict is Verdict.FAIL
    assert "no prediction of 'Label order'" in check.what


def test_each_broken_part_is_named(client: LabelStudioClient, connected: int, ml_backend: MlContractServer) -> None:
    client.update_project(connected, sampling="Sequential sampling")
    (hook,) = client.webhooks(connected)
    client.save_webhook({"is_active": False}, hook["id"])
    ml_backend.setup_status = 500
    checks = _project(client, connected, ml_backend)
    failed = {name for name, check in checks.items() if check.verdict is Verdict.FAIL}
    assert failed == {"Sampling", "Webhook", "Label Studio reaches the backend"}
    assert "switched off" in checks["Webhook"].what
    assert "refused this project: Internal Server Error" in checks["Label Studio reaches the backend"].fix
    assert all(checks[name].fix for name in failed)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"headers": {}}, "does not carry the secret"),
        ({"send_payload": False}, "all events"),
        ({"url": "http://127.0.0.1:9/webhook"}, "no webhook"),
    ],
)
def test_webhook_faults(
    client: LabelStudioClient, connected: int, ml_backend: MlContractServer, change: dict, what: str
) -> None:
    (hook,) = client.webhooks(connected)
    client.save_webhook({"url": hook["url"], **change}, hook["id"])
    check = _project(client, connected, ml_backend)["Webhook"]
    assert check.verdict is Verdict.FAIL
    assert what in check.what


def test_doubled_webhook_is_a_warning(client: LabelStudioClient, connected: int, ml_backend: MlContractServer) -> None:
    (hook,) = client.webhooks(connected)
    client.save_webhook({"project": connected, "url": hook["url"], "headers": hook["headers"]})
    check = _project(client, connected, ml_backend)["Webhook"]
    assert check.verdict is Verdict.WARN
    assert "more than once" in check.what


def test_backend_that_is_gone(client: LabelStudioClient, make_project) -> None:
    project = make_project(1)
    with MlContractServer() as backend:
        connect_project(client, project, backend.url)
        url = backend.url
    checks = _by_name(check_project(client, project, url))
    assert checks["ML backend attached"].verdict is Verdict.OK
    reached = checks["Label Studio reaches the backend"]
    assert reached.verdict is Verdict.FAIL
    assert "cannot reach the backend" in reached.fix


def _project(
    client: LabelStudioClient, project: int, backend: MlContractServer, published_version: str = "window-1"
) -> dict[str, Check]:
    checks = check_project(
        client,
        project,
        backend.url,
        published_version=published_version,
        webhook_headers={"X-Webhook-Secret": "s"},
    )
    return _by_name(checks)


def _by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}
