"""Suggestions that left the queue long ago, on a real Label Studio: deleted, but for those that annotations started from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from published import SUPERSEDED_AT, publish, tasks_of, window_of
from sqlalchemy import update

from backend.demo.label_studio_process import LabelStudioProcess
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.projects.annotations import annotation_values, record_annotations
from backend.service.queue.superseded import clean_superseded
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import ModelVersion, Project, SupersededVersion, now
from backend.sync.client import LabelStudioClient
from backend.sync.version_names import SupersededName

pytestmark = pytest.mark.e2e

BEFORE = str(SupersededName("propagation", SUPERSEDED_AT))


@pytest.fixture
def runtime(label_studio: LabelStudioProcess, token: str, tmp_path: Path) -> Iterator[Runtime]:
    settings = Settings(
        state_dir=tmp_path, label_studio_url=label_studio.url, label_studio_api_key=token, _env_file=None
    )
    database = Database(settings.resolved_database_url)
    database.migrate()
    yield Runtime(settings, database, JobQueue(settings, database))
    database.close()


def test_only_what_nobody_can_hold_open_is_deleted(
    runtime: Runtime, client: LabelStudioClient, make_project, choice
) -> None:
    project = make_project(9)
    ids = [task["id"] for task in client.iter_tasks(project)]
    first = window_of(ids[:6], choice)
    publish(client, project, "propagation", first)
    shown = {row["task"]: row["id"] for row in client.predictions(project, "propagation")}
    for _ in range(2):  # three leave the window: behind it first, then out of the queue
        publish(client, project, "propagation", first[3:], earlier=ids)
    publish(client, project, "head-1", first[3:], earlier=ids)
    foreign = [
        {"task": ids[0], "result": choice("cup"), "score": 0.5, "model_version": name} for name in ("yolo", "yolo.3")
    ]
    client.import_predictions(project, foreign)
    client.import_predictions(
        project, [{**foreign[0], "task": ids[1], "model_version": "wordnet.12"}]
    )  # of an earlier release
    submitted = [
        client.transport.call(
            "POST",
            f"/api/tasks/{task}/annotations/",
            json={"result": choice("cat"), "parent_prediction": shown[task]},
        )
        for task in (ids[0], ids[3])  # one that had left the window, one of the model before
    ]
    with runtime.database.session() as session:
        session.add(Project(id=project, published_version="head-1"))
        session.flush()
        session.add(ModelVersion(project_id=project, version="head-1", kind="head", status="serving", backbone="b"))
        states = [annotation_values(annotation["task"], annotation) for annotation in submitted]
        record_annotations(session, runtime.database, project, states)

    def stored() -> dict[str, int]:
        return client.model_versions(project)

    assert stored() == {"propagation": 3, BEFORE: 3, "head-1": 3, "yolo": 1, "yolo.3": 1, "wordnet.12": 1}
    assert clean_superseded(runtime, project) == 2
    # The hour is in the name of those that left singly; since when the others are superseded is known only from now on.
    assert stored() == {"propagation": 4, "head-1": 3, "yolo": 1, "yolo.3": 1, "wordnet.12": 1}
    assert clean_superseded(runtime, project) == 0

    with runtime.database.session() as session:
        session.execute(update(SupersededVersion).values(since=now() - timedelta(hours=25)))
    assert clean_superseded(runtime, project) == 3
    assert stored() == {"propagation": 2, "head-1": 3, "yolo": 1, "yolo.3": 1}
    kept = {annotation["parent_prediction"] for annotation in client.iter_annotations(project)}
    assert kept == {shown[ids[0]], shown[ids[3]]} == {row["id"] for row in client.predictions(project, "propagation")}
    assert clean_superseded(runtime, project) == 0
    assert tasks_of(first)[3:] == sorted(row["task"] for row in client.predictions(project, "head-1"))
