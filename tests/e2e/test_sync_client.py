"""The client against a real Label Studio: tokens, errors, paging, imports."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from backend.demo.label_studio_process import LabelStudioProcess, import_images
from backend.errors import LabelStudioError
from backend.sync.client import LabelStudioClient
from backend.sync.tokens import TokenKind

pytestmark = pytest.mark.e2e


@pytest.fixture
def personal_access_token(client: LabelStudioClient) -> Iterator[str]:
    token = client.create_personal_access_token()
    yield token
    client.transport.call("POST", "/api/token/blacklist/", json={"refresh": token})


def test_users_who_did_something_lately_are_counted(client: LabelStudioClient) -> None:
    assert client.active_users(datetime.now(UTC) - timedelta(days=7)) >= 1
    assert client.active_users(datetime.now(UTC) + timedelta(hours=1)) == 0


def test_legacy_token_is_known_as_such(client: LabelStudioClient) -> None:
    assert client.transport.token.kind is TokenKind.LEGACY
    assert client.whoami()["email"] == "annotator@example.com"
    assert client.version().startswith("1.")


def test_personal_access_token_is_exchanged_and_renewed(
    label_studio: LabelStudioProcess, personal_access_token: str
) -> None:
    client = LabelStudioClient(label_studio.url, personal_access_token)
    assert client.transport.token.kind is TokenKind.PERSONAL_ACCESS
    assert client.whoami()["email"] == "annotator@example.com"
    first = client.authorization()
    assert first.startswith("Bearer ")
    assert client.authorization() == first, "an access token serves for its whole life"
    assert personal_access_token not in first
    client.transport.token.forget()
    assert client.authorization() != first
    assert client.whoami()["email"] == "annotator@example.com"


def test_revoked_personal_access_token_says_so(label_studio: LabelStudioProcess, client: LabelStudioClient) -> None:
    token = client.create_personal_access_token()
    client.transport.call("POST", "/api/token/blacklist/", json={"refresh": token})
    with pytest.raises(LabelStudioError, match="expired or revoked") as caught:
        LabelStudioClient(label_studio.url, token).whoami()
    assert caught.value.reason == "label_studio_unauthorised"
    assert token not in str(caught.value)


def test_wrong_token_is_named_without_being_shown(label_studio: LabelStudioProcess) -> None:
    wrong = "f" * 40
    with pytest.raises(LabelStudioError, match="LABEL_STUDIO_API_KEY") as caught:
        LabelStudioClient(label_studio.url, wrong).whoami()
    assert caught.value.reason == "label_studio_unauthorised"
    assert wrong not in str(caught.value)


def test_disabled_legacy_tokens_are_explained(
    label_studio: LabelStudioProcess, client: LabelStudioClient, personal_access_token: str
) -> None:
    by_personal_token = LabelStudioClient(label_studio.url, personal_access_token)
    settings = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
    by_personal_token.transport.call("POST", "/api/jwt/settings", json=settings)
    try:
        with pytest.raises(LabelStudioError, match=r"legacy tokens switched off.*personal access token") as caught:
            client.whoami()
        assert caught.value.reason == "label_studio_unauthorised"
        assert by_personal_token.whoami()["email"] == "annotator@example.com"
    finally:
        by_personal_token.transport.call(
            "POST", "/api/jwt/settings", json={**settings, "legacy_api_tokens_enabled": True}
        )
    assert client.whoami()["email"] == "annotator@example.com"


def test_missing_project_names_call_and_url(client: LabelStudioClient) -> None:
    with pytest.raises(LabelStudioError, match=r"GET http://127\.0\.0\.1:\d+/api/projects/424242/") as caught:
        client.project(424242)
    assert caught.value.reason == "label_studio_not_found"


def test_refused_field_repeats_what_label_studio_says(client: LabelStudioClient, make_project) -> None:
    project = make_project()
    with pytest.raises(LabelStudioError, match="Model version doesn't exist") as caught:
        client.update_project(project, model_version="never published")
    assert caught.value.reason == "label_studio_refused"


def test_nothing_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(LabelStudioError, match="Is Label Studio running") as caught:
        LabelStudioClient(f"http://127.0.0.1:{port}", "a" * 40).version()
    assert caught.value.reason == "label_studio_unreachable"


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(LabelStudioError, match=r"no answer within 0\.2 s") as caught:
            LabelStudioClient(url, "a" * 40, timeout=0.2).update_project(1, title="never")
    assert caught.value.reason == "label_studio_timeout"


@pytest.mark.parametrize("page_size", [1, 7, 23, 100])
def test_every_task_once_whatever_the_page_size(client: LabelStudioClient, make_project, page_size: int) -> None:
    project = make_project(23)
    tasks = list(client.iter_tasks(project, page_size=page_size))
    assert len({task["id"] for task in tasks}) == len(tasks) == 23
    assert [task["id"] for task in tasks] == sorted(task["id"] for task in tasks)
    assert {task["data"]["image"] for task in tasks} == {f"https://images.example/{n}.jpg" for n in range(23)}
    assert client.count_tasks(project) == 23


def test_deleting_while_paging_skips_no_living_task(client: LabelStudioClient, make_project) -> None:
    project = make_project(12)
    everything = [task["id"] for task in client.iter_tasks(project)]
    pages = client.iter_task_pages(project, page_size=4)
    seen = [task["id"] for task in next(pages)]
    for task_id in seen:
        client.transport.call("DELETE", f"/api/tasks/{task_id}/")
    seen += [task["id"] for page in pages for task in page]
    assert seen == everything


def test_tasks_by_id_leaves_out_what_is_not_there(client: LabelStudioClient, make_project) -> None:
    project, other = make_project(3), make_project(1)
    ids = [task["id"] for task in client.iter_tasks(project)]
    foreign = next(client.iter_tasks(other))["id"]
    found = [task["id"] for task in client.tasks_by_id(project, [*ids[:2], foreign, 10**9], fields="ids")]
    assert found == ids[:2]
    assert list(client.tasks_by_id(project, [])) == []


def test_annotations_include_skips_and_full_results(client: LabelStudioClient, make_project, choice) -> None:
    project = make_project(5)
    ids = [task["id"] for task in client.iter_tasks(project)]
    labelled = client.annotate(ids[0], choice("cat"))
    client.annotate(ids[1], [], was_cancelled=True)
    found = {annotation["task"]: annotation for annotation in client.iter_annotations(project, page_size=1)}
    assert set(found) == {ids[0], ids[1]}
    assert found[ids[0]]["id"] == labelled["id"]
    assert found[ids[0]]["result"][0]["value"] == {"choices": ["cat"]}
    assert found[ids[0]]["was_cancelled"] is False
    assert found[ids[1]]["was_cancelled"] is True


def test_uploaded_photos_come_back_byte_for_byte(
    label_studio: LabelStudioProcess, client: LabelStudioClient, make_project, photos: list[Path]
) -> None:
    project = make_project()
    assert client.upload_images(project, photos) == len(photos) == 60
    values = [task["data"]["image"] for task in client.iter_tasks(project)]
    assert all(value.startswith("/data/upload/") for value in values)
    assert sorted(_fetched(client, value) for value in values) == sorted(photo.read_bytes() for photo in photos)


def test_local_photos_are_served_from_their_folder(
    label_studio: LabelStudioProcess, client: LabelStudioClient, make_project, photos: list[Path]
) -> None:
    project = make_project()
    assert import_images(label_studio, project, photos[:4], collection="served & shown") == 4
    values = [task["data"]["image"] for task in client.iter_tasks(project)]
    assert all(value.startswith("/data/local-files/?d=served") for value in values)
    assert [_fetched(client, value) for value in values] == [photo.read_bytes() for photo in photos[:4]]
    assert requests.get(client.url + values[0], timeout=10, allow_redirects=False).status_code != 200


def _fetched(client: LabelStudioClient, value: str) -> bytes:
    answer = requests.get(client.url + value, headers={"Authorization": client.authorization()}, timeout=10)
    answer.raise_for_status()
    return answer.content
