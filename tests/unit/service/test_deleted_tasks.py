"""A deleted task stays in the arrays of a pool for a while: it is no answer, and a photo that comes again is no copy of it."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import delete, select

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.queue.queue_window import current_window
from backend.storage.database import Database
from backend.storage.schema import QueueItem, Task
from tests.unit.service.embedded_project import Embedded

pytestmark = pytest.mark.unit


@pytest.fixture
def project(runtime: Runtime, database: Database, jobs: JobQueue) -> Embedded:
    return Embedded(runtime, database, jobs)


def window(project: Embedded) -> list[QueueItem]:
    project.refresh()
    return current_window(project.runtime, find_project(project.runtime, 7))


def remove(project: Embedded, tasks: list[int]) -> None:
    with project.database.session() as session:
        session.execute(delete(Task).where(Task.task_id.in_(tasks)))


def test_photos_that_are_imported_anew_are_no_copies_of_their_deleted_tasks(project: Embedded) -> None:
    window(project)
    remove(project, list(range(8)))
    window(project)
    with project.database.session() as session:
        for number in range(8):
            digest = hashlib.sha256(bytes([number])).hexdigest()
            session.add(Task(project_id=7, task_id=100 + number, data={}, image=str(number), digest=digest))
    items = window(project)
    assert not [item.task_id for item in items if "same" in item.reason or "copy" in item.reason]
    assert any(item.task_id >= 100 for item in items[:25])


def test_deleted_tasks_make_no_evaluation_photo_due(project: Embedded) -> None:
    before = window(project)
    sampled = next(place for place, item in enumerate(before) if item.evaluation)
    assert sampled == 5
    with project.database.session() as session:
        others = list(session.scalars(select(Task.task_id)))
    kept = {item.task_id for item in before if item.evaluation}
    remove(project, [task for task in others if task not in kept][:8])
    assert next(place for place, item in enumerate(window(project)) if item.evaluation) == 5
