"""A project of embedded photos and the small Label Studio that it belongs to, and what has to hold between the two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from backend.service.pool.snapshot import read_snapshot
from backend.service.queue.queue_window import current_window
from backend.service.versions.artifacts import load_heads, snapshots_folder
from backend.service.versions.registry import list_versions
from backend.storage.schema import Annotation, Task
from tests.small_label_studio import TOKEN, SmallLabelStudio
from tests.unit.service.photo_project import PhotoProject

CLASSES = ("coffee", "rocket")
TASKS = range(1, 9)  # Label Studio counts from 1


@contextmanager
def settled(folder: Path) -> Iterator[Connected]:
    """A project that was polled, answered and polled again, so that its queue is published; Label Studio runs meanwhile."""
    made = Connected(folder)
    with made.label_studio:
        made.open()
        made.poll()
        made.answer_anew()
        made.poll()
        made.check()
        yield made


class Connected:
    """A project whose photos are embedded, and the Label Studio that it belongs to."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.project = PhotoProject(
            folder, CLASSES, len(TASKS) // 2, backbone="efficientnet_lite0", database_url=database_url
        )
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
            self.annotate(task)

    def annotate(self, task: int) -> dict[str, Any]:
        """A person answers a task, or changes the answer; the annotation as the webhook brings it."""
        value = {"choices": [CLASSES[(task + self.serial) % 2]]}
        result = [{"from_name": "c", "to_name": "i", "type": "choices", "value": value}]
        return self.label_studio.annotate(task, result)

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

    def check_annotations(self) -> list[dict[str, Any]]:
        """Those of Label Studio, which are ours, too."""
        with self.project.database.session() as session:
            stored = {row.annotation_id: row.result for row in session.scalars(select(Annotation)) if not row.deleted}
        there = [row for task in self.label_studio.tasks.values() for row in task["annotations"]]
        listed = {row["id"]: row["result"] for row in there}
        assert stored == listed, (
            f"only here {stored.keys() - listed.keys()}, only there {listed.keys() - stored.keys()}"
        )
        return there

    def check(self) -> None:
        """What has to hold after a fault and one poll."""
        project = self.project
        with project.database.session() as session:
            assert list(session.scalars(select(Task.task_id).where(Task.digest.is_(None)))) == []
            assert set(session.scalars(select(Task.task_id))) == set(TASKS)
        there = self.check_annotations()
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
