"""Connecting a project of a real Label Studio to a backend that answers the ML contract."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest
from ml_contract_server import MlContractServer
from published import publish, window_of

from backend.demo.label_studio_process import LabelStudioProcess
from backend.errors import LabelConfigError, LabelStudioError
from backend.sync.client import LabelStudioClient
from backend.sync.connect import BasicAuth, Outcome, connect_project, webhook_url

pytestmark = pytest.mark.e2e

CONFIG = '<View><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="a"/></Choices></View>'
SECRET = {"X-Webhook-Secret": "open sesame"}


def test_connecting_twice_makes_everything_once(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(3)
    options = {"webhook_headers": SECRET, "extra_params": {"window_size": 20}}
    first = connect_project(client, project, ml_backend.url, **options)
    second = connect_project(client, project, ml_backend.url + "/", **options)

    assert first.changed
    assert not second.changed
    assert {step.outcome for step in second.steps} == {Outcome.ALREADY_THERE}
    assert (second.ml_backend_id, second.webhook_id, second.view_id) == (
        first.ml_backend_id,
        first.webhook_id,
        first.view_id,
    )
    (hook,) = client.webhooks(project)
    assert hook["url"] == webhook_url(ml_backend.url)
    assert hook["headers"] == SECRET
    assert hook["send_payload"]
    assert hook["send_for_all_actions"]
    assert hook["is_active"]
    (backend,) = client.ml_backends(project)
    assert backend["url"] == ml_backend.url
    assert backend["readable_state"] == "Connected"
    assert backend["extra_params"] == {"window_size": 20}
    assert [view["data"]["title"] for view in client.views(project)] == ["Next to label"]
    settings = client.project(project)
    assert settings["sampling"] == "Uncertainty sampling"
    assert settings["show_collab_predictions"] is True
    setup = next(request for request in ml_backend.received if request.path == "/setup")
    assert setup.body["extra_params"] == {"window_size": 20}


def test_each_event_arrives_once_with_the_secret(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer, choice
) -> None:
    project = make_project(2)
    for _ in range(2):
        connect_project(client, project, ml_backend.url, webhook_headers=SECRET)
    task = next(client.iter_tasks(project))
    annotation = client.annotate(task["id"], choice("cat"))
    client.transport.call("PATCH", f"/api/annotations/{annotation['id']}/", json={"result": choice("cup")})
    client.import_tasks(project, [{"data": {"image": "https://images.example/late.jpg"}}])
    client.transport.call("DELETE", f"/api/annotations/{annotation['id']}/")
    client.transport.call("DELETE", f"/api/tasks/{task['id']}/")
    for action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "TASKS_CREATED", "ANNOTATIONS_DELETED", "TASKS_DELETED"):
        (event,) = ml_backend.events(action)
        assert event.headers["X-Webhook-Secret"] == "open sesame"
        assert event.body["project"]["id"] == project
    assert ml_backend.events("ANNOTATION_CREATED")[0].body["annotation"]["result"] == choice("cat")


def test_what_somebody_made_by_hand_is_put_right(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(1)
    by_hand = client.save_ml_backend({"project": project, "url": ml_backend.url, "title": "mine"})
    (bare,) = client.webhooks(project)
    assert bare["headers"] == {}, "Label Studio adds a webhook of its own, without a secret"
    copy = client.save_webhook({"project": project, "url": webhook_url(ml_backend.url), "send_payload": False})
    other = client.save_webhook({"project": project, "url": "http://127.0.0.1:9/elsewhere"})

    report = connect_project(client, project, ml_backend.url, webhook_headers=SECRET)

    assert report.ml_backend_id == by_hand["id"]
    assert report.webhook_id == bare["id"]
    hooks = {hook["id"]: hook for hook in client.webhooks(project)}
    assert set(hooks) == {bare["id"], other["id"]}
    assert copy["id"] not in hooks
    assert hooks[bare["id"]]["headers"] == SECRET
    outcomes = {step.name: step.outcome for step in report.steps}
    assert outcomes["webhook"] is Outcome.UPDATED
    assert outcomes["duplicate webhooks"] is Outcome.UPDATED
    assert outcomes["ML backend"] is Outcome.UPDATED


def test_moving_the_backend_leaves_the_published_version_alone(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer, choice
) -> None:
    project = make_project(3)
    publish(client, project, "window-1", window_of([task["id"] for task in client.iter_tasks(project)], choice))
    connect_project(client, project, ml_backend.url)
    assert client.project(project)["model_version"] == "window-1"


def test_basic_auth_is_stored_and_used(client: LabelStudioClient, make_project, ml_backend: MlContractServer) -> None:
    project = make_project(1)
    ml_backend.required_auth = ("label-studio", "pass")
    with pytest.raises(LabelStudioError, match="BASIC_AUTH_USER") as caught:
        connect_project(client, project, ml_backend.url)
    assert caught.value.reason == "backend_unauthorised"
    connect_project(client, project, ml_backend.url, basic_auth=BasicAuth("label-studio", "pass"))
    assert client.ml_backends(project)[0]["readable_state"] == "Connected"
    ml_backend.required_auth = ("label-studio", "changed")
    assert client.ml_backends(project)[0]["readable_state"] == "Disconnected"
    connect_project(client, project, ml_backend.url, basic_auth=BasicAuth("label-studio", "changed"))
    assert client.ml_backends(project)[0]["readable_state"] == "Connected"
    assert "changed" not in repr(BasicAuth("label-studio", "changed"))


def test_absent_backend_and_failing_setup_are_told_apart(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(LabelStudioError, match="cannot reach the backend") as caught:
        connect_project(client, project, nobody)
    assert caught.value.reason == "backend_unreachable"
    ml_backend.setup_status = 500
    with pytest.raises(LabelStudioError, match="refused this project: Internal Server Error") as caught:
        connect_project(client, project, ml_backend.url)
    assert caught.value.reason == "backend_invalid"
    assert client.webhooks(project) == [], "a refused project keeps nothing of the attempt"


def test_a_project_without_usable_labels_is_refused_before_anything_is_made(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(1, label_config="<View></View>")
    with pytest.raises(LabelConfigError, match="nothing that classifies images"):
        connect_project(client, project, ml_backend.url)
    assert client.webhooks(project) == []
    assert ml_backend.received == []


def test_a_config_where_a_suggestion_blocks_the_right_label_is_connected_with_a_warning(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    blocked = CONFIG.replace('Choices name="c"', 'Taxonomy maxUsages="1" name="c"').replace("</Choices>", "</Taxonomy>")
    project = make_project(1, label_config=blocked)
    (advice,) = connect_project(client, project, ml_backend.url).advice
    assert "every other box dead" in advice


def test_tab_lists_unfinished_tasks_in_the_published_order(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer, choice: Callable[[str], list]
) -> None:
    project = make_project(10)
    view = connect_project(client, project, ml_backend.url).view_id
    ids = [task["id"] for task in client.iter_tasks(project)]
    order = [ids[place] for place in (7, 2, 9, 0, 5)]
    publish(client, project, "window-1", window_of(order, choice))
    client.annotate(order[1], choice("cup"))
    listed = [task["id"] for task in client.transport.call("GET", "/api/tasks", params={"view": view})["tasks"]]
    assert listed[:4] == [order[0], *order[2:]]
    assert set(listed[4:]) == set(ids) - set(order), "tasks outside the window come after it"


def test_tab_of_the_same_title_gets_its_order_back(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project(1)
    view = connect_project(client, project, ml_backend.url, tab_title="Queue").view_id
    (saved,) = client.views(project)
    client.save_view(project, {**saved["data"], "ordering": ["-tasks:id"], "gridWidth": 7}, view)
    report = connect_project(client, project, ml_backend.url, tab_title="Queue")
    (mended,) = client.views(project)
    assert mended["id"] == report.view_id == view
    assert mended["data"]["ordering"] == ["tasks:predictions_score"]
    assert mended["data"]["gridWidth"] == 7, "the person's own choices stay"
    assert json.dumps(mended["data"]["filters"]) == json.dumps(saved["data"]["filters"])


def test_private_address_refused_by_label_studio_is_explained(
    start_label_studio: Callable[..., LabelStudioProcess], ml_backend: MlContractServer
) -> None:
    guarded = start_label_studio(extra_environment={"ML_BLOCK_LOCAL_IP": "true", "SSRF_PROTECTION_ENABLED": "true"})
    try:
        client = guarded.client()
        project = client.create_project(title="Guarded", label_config=CONFIG)["id"]
        with pytest.raises(LabelStudioError, match="ML_BLOCK_LOCAL_IP=false") as caught:
            connect_project(client, project, ml_backend.url)
        assert caught.value.reason == "backend_refused_address"
        assert ml_backend.received == []
    finally:
        guarded.stop()
