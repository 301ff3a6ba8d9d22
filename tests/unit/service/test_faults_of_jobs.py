"""The k-th call of a job fails, k = 1, 2, 3 … until it passes: sync, embed, publication and training.

After each fault and one poll: Label Studio's annotations are all here, its queue is ours, every version can be read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from requests.exceptions import RequestException
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from backend.service.pool.snapshot import read_snapshot
from backend.service.queue.queue_window import current_window
from backend.service.versions.artifacts import load_heads, snapshots_folder
from backend.service.versions.registry import list_versions
from backend.storage.schema import Annotation, Feature, Project, Task
from tests.small_label_studio import TOKEN, SmallLabelStudio
from tests.unit.service.faults import Counter, FileFaults, database_fault, http_fault
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit

log = logging.getLogger(__name__)

CLASSES = ("coffee", "rocket")
TASKS = range(1, 9)  # Label Studio counts from 1
FILES = FileFaults()
STEP = int(os.environ.get("FAULT_STEP", "7"))  # 1: every single one; the suite takes every seventh

Inject = Callable[[int], AbstractContextManager[Counter]]


class Connected:
    """A project whose photos are embedded, and the Label Studio that it belongs to."""

    def __init__(self, folder: Path) -> None:
        self.project = PhotoProject(folder, CLASSES, len(TASKS) // 2, backbone="efficientnet_lite0")
        self.project.run("embed")  # before anything calls: the photos are read once
        with self.project.database.session() as session:
            rows = {row.task_id: row for row in session.scalars(select(Task))}
            data = {number: dict(rows[number - 1].data) for number in TASKS}
            session.execute(delete(Task))
        self.label_studio = SmallLabelStudio(1, self.project.row.label_config, data)
        self.serial = 0

    def open(self) -> None:
        self.project.open(label_studio_url=self.label_studio.url, label_studio_api_key=TOKEN)

    def answer_anew(self) -> None:
        """Somebody changes the answers of the first four photos: there is something to take in, learn and publish."""
        self.serial += 1
        for task in TASKS[:4]:
            label = CLASSES[(task + self.serial) % 2]
            value = {"choices": [label]}
            result = [{"from_name": "c", "to_name": "i", "type": "choices", "value": value}]
            self.label_studio.annotate(task, result)

    def run(self, kind: str, payload: dict[str, object] | None = None) -> None:
        """Run one job, as a worker does."""
        self.project._runner.run(self.project.jobs.enqueue(kind, 1, payload))

    def poll(self) -> None:
        """One poll and the jobs that it asks for; none of them may fail."""
        ledger = self.project.jobs.ledger
        self.project.jobs.enqueue("sync", 1, {"poll": True})
        ran: set[str] = set()
        while waiting := ledger.waiting(1):
            ran.update(waiting)
            for job in waiting:
                self.project._runner.run(job)
        failed = {job.id: job.message for job in ledger.of_project(1, 50) if job.status == "failed"}
        assert not ran & failed.keys(), failed

    def check(self) -> None:
        """What has to hold after a fault and one poll."""
        project = self.project
        with project.database.session() as session:
            stored = {row.annotation_id: row.result for row in session.scalars(select(Annotation))}
            assert list(session.scalars(select(Task.task_id).where(Task.digest.is_(None)))) == []
            assert set(session.scalars(select(Task.task_id))) == set(TASKS)
        there = [row for task in self.label_studio.tasks.values() for row in task["annotations"]]
        assert stored == {row["id"]: row["result"] for row in there}
        window = [item.task_id for item in current_window(project.runtime, project.row)]
        answered = {row["task"] for row in there}
        assert set(window) == set(TASKS) - answered
        assert self.label_studio.queue() == window
        assert project.row.published_version == self.label_studio.project["model_version"]
        read_snapshot(snapshots_folder(project.runtime, 1) / project.row.snapshot)
        for version in list_versions(project.runtime, 1):
            if version.kind == "head":
                assert load_heads(project.runtime, 1, version.version)
        assert project.jobs.ledger.waiting(1) == []


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    made = Connected(tmp_path_factory.mktemp("faults"))
    with made.label_studio:
        made.open()
        made.poll()
        made.answer_anew()
        made.poll()
        made.check()
        yield made


def sync(connected: Connected) -> None:
    connected.answer_anew()
    connected.run("sync", {"poll": True})


def embed(connected: Connected) -> None:
    """Two photos are new: nothing is known of their pixels."""
    with connected.project.database.session() as session:
        digests = select(Task.digest).where(Task.task_id.in_(TASKS[-2:]))
        session.execute(delete(Feature).where(Feature.digest.in_(digests)))
        session.execute(update(Task).where(Task.task_id.in_(TASKS[-2:])).values(digest=None))
    connected.run("embed")


def publish(connected: Connected) -> None:
    connected.run("refresh", {"republish": True})


def train(connected: Connected) -> None:
    with connected.project.database.session() as session:
        session.execute(update(Project).values(learned_from=""))  # as if the annotations were new
    connected.run("train")


def inject_into(connected: Connected, what: str) -> Inject:
    state = connected.project.settings.state_dir
    return {
        "database": lambda number: database_fault(connected.project.database.engine, number),
        "files": lambda number: FILES.fault(state / "projects", number),
        "lost calls": lambda number: http_fault(number, answered=False),
        "lost answers": lambda number: http_fault(number, answered=True),
    }[what]


@pytest.mark.parametrize(
    ("path", "what", "at_least"),
    [
        (sync, "database", 15),
        (sync, "lost calls", 3),
        (sync, "lost answers", 3),
        (embed, "database", 8),
        (publish, "database", 20),
        (publish, "files", 3),
        (publish, "lost calls", 3),
        (publish, "lost answers", 3),
        (train, "database", 20),
        (train, "files", 5),
    ],
)
def test_a_job(connected: Connected, path: Callable[[Connected], None], what: str, at_least: int) -> None:
    step = min(STEP, 3) if what.startswith("lost") else STEP  # there are few calls
    faults = 0
    for number in range(1, 400, step):
        if path is publish:  # the answers are taken in before: what fails is the publication
            connected.answer_anew()
            connected.run("sync")
        with inject_into(connected, what)(number) as counter:
            try:
                path(connected)
            except (OperationalError, OSError, RequestException):  # the process would end, and another take over
                assert counter.failed
        faults += counter.failed
        connected.open()
        connected.project.jobs.ledger.recover(connected.project._runner.name)
        connected.poll()
        connected.check()
        if not counter.failed:
            log.info("%s: faults of %s at %d places", path.__name__, what, counter.seen)
            assert faults >= at_least // step
            return
    raise AssertionError("it never passed")
