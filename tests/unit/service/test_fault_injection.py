"""The k-th call of the database or the file system fails, k = 1, 2, 3 … until the path passes without a fault.

After each: no annotation lost, nothing half-written served, the queue right within one poll.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.exc import OperationalError

from backend.reports import Reporter
from backend.service.ingest.spool import SPOOL, EventSpool
from backend.service.pool.snapshot import read_snapshot
from backend.service.queue.queue_window import current_window
from backend.service.versions.artifacts import snapshots_folder
from backend.storage.schema import Annotation, Job, Task
from tests.unit.api.conftest import App, MakeApp, make_app
from tests.unit.service.faults import FileFaults, database_fault
from tests.unit.service.photo_project import PhotoProject
from tests.unit.service.samples import CONFIG, annotated, annotation

pytestmark = pytest.mark.unit

log = logging.getLogger(__name__)

FILES = FileFaults()
STEP = int(os.environ.get("FAULT_STEP", "5"))  # 1: every single one; the suite takes every fifth
__all__ = ["make_app"]


def event(number: int) -> dict[str, object]:
    return annotated("ANNOTATION_CREATED", annotation(number, task=number))


def stored(app: App) -> set[int]:
    with app.database.session() as session:
        return set(session.scalars(select(Annotation.annotation_id)))


def test_webhook(make_app: MakeApp) -> None:
    app = make_app()
    app.client.post("/setup", json={"project": "7.1", "schema": CONFIG})
    spool = EventSpool(app.settings.state_dir / SPOOL)
    faults = 0
    for number in range(1, 200):
        with app.database.session() as session:
            session.execute(delete(Job))
        with database_fault(app.database.engine, number) as counter:
            answer = app.client.post("/webhook", json=event(number))
        assert answer.status_code in (201, 202)
        faults += counter.failed
        spool.take_in(app.runtime)
        assert number in stored(app)
        assert app.jobs.ledger.waiting(7, "refresh")  # also where the fault came after the annotation was stored
        if not counter.failed:
            break
    assert faults >= 5
    log.info("webhook: %d faults of the database", faults)


def test_webhook_while_neither_database_nor_files_take_it(make_app: MakeApp) -> None:
    app = make_app()
    app.client.post("/setup", json={"project": "7.1", "schema": CONFIG})
    spool = EventSpool(app.settings.state_dir / SPOOL)
    for number in range(1, 50):
        below = app.settings.state_dir / SPOOL
        with database_fault(app.database.engine, 1), FILES.fault(below, number) as counter:
            answer = app.client.post("/webhook", json=event(number))
        assert answer.status_code == (503 if counter.failed else 202)
        if counter.failed:
            assert list(below.glob("*")) == [] or answer.status_code == 503
            app.client.post("/webhook", json=event(number))  # as Label Studio's listing brings it
        spool.take_in(app.runtime)
        assert number in stored(app)
        if not counter.failed:
            log.info("webhook: faults of the files at %d places", counter.seen)
            return
    raise AssertionError("it never passed")


@pytest.fixture
def project(tmp_path: Path) -> PhotoProject:
    made = PhotoProject(tmp_path, ("coffee", "rocket"), 4)
    made.run("embed")
    return made


def right(project: PhotoProject, annotations: int) -> None:
    """What has to hold after a fault and one poll."""
    project.jobs.enqueue("sync", 1, {"poll": True})
    for _ in range(5):
        for job in project.jobs.ledger.waiting(1):
            project._runner.run(job)
    with project.database.session() as session:
        assert session.scalar(select(func.count()).select_from(Annotation)) == annotations
        assert session.scalar(select(func.count()).select_from(Task).where(Task.digest.is_not(None))) == 8
    row = project.row
    assert row.snapshot
    read_snapshot(snapshots_folder(project.runtime, 1) / row.snapshot)
    window = {item.task_id for item in current_window(project.runtime, row)}
    assert window == set(range(annotations, 8))
    assert project.jobs.ledger.waiting(1) == []


def faulty(project: PhotoProject, kind: str, inject: Callable[[int], object]) -> int:
    """Annotate one more photo, run the job with a fault, poll; how many faults were met."""
    faults = 0
    for number in range(1, 400, STEP):
        with inject(number) as counter:  # type: ignore[attr-defined]
            try:
                project.jobs.enqueue(kind, 1)
                for job in project.jobs.ledger.waiting(1):
                    project._runner.run(job)
            except (OperationalError, OSError):  # the process would end here, and another take over
                assert counter.failed
        faults += counter.failed
        _as_after_a_restart(project)
        right(project, 3)
        if not counter.failed:
            return faults
    raise AssertionError("it never passed")


def _as_after_a_restart(project: PhotoProject) -> None:
    project.open()
    project.jobs.ledger.recover(project._runner.name)


@pytest.mark.parametrize("kind", ["refresh"])
@pytest.mark.parametrize("what", ["database"])
def test_jobs(project: PhotoProject, kind: str, what: str) -> None:
    project.annotate(range(3))
    right(project, 3)
    state = project.settings.state_dir
    injected = {
        "database": lambda number: database_fault(project.database.engine, number),
        "files": lambda number: FILES.fault(state / "projects", number),
    }[what]
    faults = faulty(project, kind, injected)
    log.info("%s: %d faults of the %s", kind, faults, what)
    Reporter(project.runtime.reports_folder, "worker", "w").write()
