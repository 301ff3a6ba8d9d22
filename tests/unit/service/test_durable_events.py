"""What the web process answers with 201 is on the disk: a power cut does not take it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import event, text

from backend.api.app import create_app
from backend.api.server import open_runtime
from backend.service.context.context import Runtime
from backend.storage.database import Database
from tests.application import AppFactory
from tests.unit.service.samples import PROJECT, annotated, annotation, task

pytestmark = pytest.mark.unit

NORMAL, FULL = 1, 2


@pytest.fixture
def web(app_factory: AppFactory) -> Iterator[Runtime]:
    found = open_runtime(app_factory().settings)
    yield found
    found.durable.close()
    found.database.close()


def waits_for_the_disk(database: Database) -> int:
    with database.session() as session:
        return int(session.scalar(text("PRAGMA synchronous")) or 0)


def test_events_wait_for_the_disk_and_nothing_else_does(web: Runtime) -> None:
    assert waits_for_the_disk(web.durable) == FULL
    assert waits_for_the_disk(web.database) == NORMAL
    client = create_app(web, web.jobs).test_client()
    commits: list[object] = []
    event.listen(web.durable.engine, "commit", commits.append)
    for said in (
        {"action": "TASKS_CREATED", "project": PROJECT, "tasks": [task(1), task(2)]},
        annotated("ANNOTATION_CREATED", annotation(1)),
        {"action": "ANNOTATIONS_DELETED", "project": PROJECT, "annotations": [{"id": 1}]},
        {"action": "TASKS_DELETED", "project": PROJECT, "tasks": [{"id": 2}]},
    ):
        commits.clear()
        assert client.post("/webhook", json=said).status_code == 201
        assert len(commits) == 1, said["action"]
