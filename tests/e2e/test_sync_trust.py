"""A real Label Studio: what its events and listings tell, and what a poll finds that no stamp shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import LABEL_CONFIG
from ml_contract_server import MlContractServer
from sqlalchemy import select

from backend.demo.label_studio_process import LabelStudioProcess
from backend.errors import AnotherProjectError
from backend.service.context.context import Runtime
from backend.service.ingest.polling import sync_project
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.identity import client_for, made_at_of
from backend.service.projects.project import find_project, set_up_project
from backend.storage.schema import Annotation, Task
from backend.sync.client import LabelStudioClient
from backend.sync.pull import has_all_tasks
from tests.application import AppFactory

pytestmark = pytest.mark.e2e

CHANGED = LABEL_CONFIG.replace("rocket", "ship")
IN_THE_PAST = (
    "from datetime import timedelta; from django.utils.timezone import now; PAST = now() - timedelta(hours=1)\n"
)


@pytest.fixture
def runtime(app_factory: AppFactory, label_studio: LabelStudioProcess, token: str) -> Runtime:
    return app_factory(label_studio_url=label_studio.url, label_studio_api_key=token).runtime


def poll(runtime: Runtime, project: int) -> dict[str, Any]:
    return sync_project(runtime, project, lambda _fraction, _message: None, poll=True)


def test_events_tell_when_the_project_was_made_and_changed(
    client: LabelStudioClient, make_project, choice, ml_backend: MlContractServer, runtime: Runtime
) -> None:
    project = make_project(3)
    ids = [task["id"] for task in client.iter_tasks(project)]
    client.save_webhook({"url": f"{ml_backend.url}/webhook", "project": project, "send_for_all_actions": True})
    client.annotate(ids[0], choice("cat"))
    client.annotate(ids[1], choice("cat"))
    client.update_project(project, label_config=CHANGED)
    client.annotate(ids[2], choice("cup"))
    first, second, third = (event.body["project"] for event in ml_backend.events("ANNOTATION_CREATED"))
    (updated,) = (event.body["project"] for event in ml_backend.events("PROJECT_UPDATED"))
    assert first["updated_at"] == second["updated_at"] < updated["updated_at"] == third["updated_at"]
    assert (second["label_config"], third["label_config"]) == (LABEL_CONFIG.strip(), CHANGED.strip())
    listed = client.project(project)
    assert made_at_of(first) == made_at_of(listed) == made_at_of({"created_at": client.made_at(project)}) is not None

    late = ml_backend.events("ANNOTATION_CREATED")[0].body  # told before the change, and taken in after it
    for event in (*ml_backend.events("PROJECT_UPDATED"), *ml_backend.events("ANNOTATION_CREATED")):
        handle_event(runtime, event.body["action"], event.body)
    handle_event(runtime, "ANNOTATION_CREATED", late)
    assert find_project(runtime, project).label_config == CHANGED.strip()
    with runtime.database.session() as session:
        assert len(session.scalars(select(Annotation)).all()) == 3


def test_the_moment_of_making_is_the_one_that_the_model_connection_names(
    client: LabelStudioClient, make_project, ml_backend: MlContractServer
) -> None:
    project = make_project()
    client.save_ml_backend({"project": project, "url": ml_backend.url, "title": "Contract"})
    told = [request.body["project"] for request in ml_backend.received if request.path == "/setup"]
    assert made_at_of(told[-1]) == made_at_of(client.project(project)) is not None


def test_what_was_committed_long_after_its_stamp_is_found_by_the_counts(
    client: LabelStudioClient, make_project, choice, runtime: Runtime, django: Callable[[str], Any]
) -> None:
    project = make_project(6)
    ids = [task["id"] for task in client.iter_tasks(project)]
    removed = client.annotate(ids[0], choice("cat"))
    client.annotate(ids[1], [], was_cancelled=True)
    set_up_project(runtime, project, label_config=LABEL_CONFIG)
    poll(runtime, project)
    poll(runtime, project)

    late = {"data": {"image": "https://images.example/late.jpg"}, "annotations": [{"result": choice("cup")}]}
    client.import_tasks(project, [late, {"data": {"image": "https://images.example/late2.jpg"}}])
    client.annotate(ids[2], choice("rocket"))
    client.annotate(ids[3], [], was_cancelled=True)
    client.delete_annotation(removed["id"])
    stamps = "Task.objects.filter(project_id=%d).update(updated_at=PAST, created_at=PAST)"
    django(f"{IN_THE_PAST}from tasks.models import Task; {stamps % project}")
    assert has_all_tasks(client, project, 6, ids[-1])
    for _ in range(2):
        poll(runtime, project)
    with runtime.database.session() as session:
        assert set(session.scalars(select(Task.task_id))) == {task["id"] for task in client.iter_tasks(project)}
        stored = set(session.scalars(select(Annotation.annotation_id).where(Annotation.deleted.is_(False))))
    assert stored == {annotation["id"] for annotation in client.iter_annotations(project)}
    assert len(stored) == 4
    assert find_project(runtime, project).counts_apart["settled"] == {"tasks": 0, "annotations": 0, "skips": 0}


def test_a_project_that_was_deleted_is_left_alone(client: LabelStudioClient, runtime: Runtime) -> None:
    project = int(client.create_project(title="Gone", label_config=LABEL_CONFIG)["id"])
    set_up_project(runtime, project, label_config=LABEL_CONFIG)
    poll(runtime, project)
    client.transport.call("DELETE", f"/api/projects/{project}/")
    assert "left alone" in poll(runtime, project)["message"]
    row = find_project(runtime, project)
    assert row.missing_since is not None
    assert row.another_made_at is None
    assert poll(runtime, project)["transient"] is True


def test_another_project_of_the_same_number_is_neither_read_nor_written(
    client: LabelStudioClient, make_project, runtime: Runtime
) -> None:
    project = make_project(2)
    set_up_project(runtime, project, label_config=LABEL_CONFIG, made_at=made_at_of(f"{project}.1600000000"))
    with pytest.raises(AnotherProjectError):
        client_for(runtime, find_project(runtime, project))
    assert "another Label Studio" in poll(runtime, project)["message"]
    assert find_project(runtime, project).another_made_at == made_at_of(client.project(project))
    with runtime.database.session() as session:
        assert session.scalars(select(Task)).all() == []
