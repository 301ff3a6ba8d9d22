"""A backend's state whose photos are embedded already, so that jobs run on it without Label Studio and without photos."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from backend.jobs.kinds import JobStatus
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import find_project, set_up_project
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, Job, Project, Task

PROJECT = 1
LABELS = ("archery", "boxing", "golf", "rowing")
CHOICES = "".join(f'<Choice value="{label}"/>' for label in LABELS)
CONFIG = f'<View><Image name="image" value="$image"/><Choices name="sport" toName="image">{CHOICES}</Choices></View>'
TASKS = 600
SIGNAL = 7.0  # length of a label's mean embedding; the noise has length 1 in each of over a thousand directions
FIRST_STAMP = datetime(2026, 1, 1, tzinfo=UTC)


class EmbeddedPool:
    """A project of `TASKS` tasks whose true labels are known.

    Around the mean of its label an embedding is mostly noise: a nearest neighbour is right little more often than not,
    while a head, which sees many photos at once, is nearly always right. So trained heads are better, and promoted.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.resolved_database_url)
        self.database.migrate()
        self.jobs = JobQueue(settings, self.database)
        self.runtime = Runtime(settings, self.database, self.jobs)
        rng = np.random.default_rng(0)
        self.truth: list[int] = [int(label) for label in rng.permutation(np.arange(TASKS) % len(LABELS))]
        self.tasks = [
            {"id": number, "data": {"image": f"https://photos.example/{number}.jpg"}} for number in range(TASKS)
        ]
        self._store_tasks(rng)

    def _store_tasks(self, rng: np.random.Generator) -> None:
        backbone = self.runtime.backbone
        directions, _ = np.linalg.qr(rng.normal(size=(backbone.spec.embedding_dim, len(LABELS))))
        means = SIGNAL * directions.T
        embeddings = rng.normal(size=(TASKS, backbone.spec.embedding_dim)) + means[self.truth]
        digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(TASKS)]
        self.runtime.features.put(backbone.id, list(zip(digests, embeddings, strict=True)))
        set_up_project(self.runtime, PROJECT, label_config=CONFIG, title="Embedded")
        with self.database.session() as session:
            for task, digest in zip(self.tasks, digests, strict=True):
                data = task["data"]
                row = Task(project_id=PROJECT, task_id=task["id"], data=data, image=data["image"], digest=digest)
                session.add(row)

    @property
    def project(self) -> Project:
        """The project as it is stored now."""
        return find_project(self.runtime, PROJECT)

    @property
    def folder(self) -> Path:
        """Where the project's files are."""
        return self.settings.state_dir / "projects" / str(PROJECT)

    def annotation(self, task: int, *, second: int, mistaken: bool = False) -> Mapping[str, Any]:
        """The annotation of a task at a point in time; annotation and task have the same number."""
        label = LABELS[(self.truth[task] + mistaken) % len(LABELS)]
        result = {"from_name": "sport", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        stamp = FIRST_STAMP + timedelta(seconds=second)
        return {"id": task, "task": task, "result": [result], "updated_at": stamp.isoformat(), "completed_by": 1}

    def deliver(self, action: str, annotation: Mapping[str, Any]) -> None:
        """Hand an annotation's event to the backend, as the web server does; returns once it is answered for."""
        payload = {"project": {"id": PROJECT}, "task": self.tasks[annotation["task"]], "annotation": annotation}
        handle_event(self.runtime, action, payload)

    def start_training(self) -> None:
        """Ask for a training, as the button in Label Studio does."""
        handle_event(self.runtime, "START_TRAINING", {"project": {"id": PROJECT}})

    def stored_annotations(self) -> dict[int, Mapping[str, Any]]:
        """The annotations in the database, by number, in the shape of `annotation`."""
        with self.database.session() as session:
            rows: Sequence[Annotation] = session.scalars(select(Annotation).where(~Annotation.deleted)).all()
        return {
            row.annotation_id: {
                "id": row.annotation_id,
                "task": row.task_id,
                "result": row.result,
                "updated_at": row.updated_at.isoformat(),
                "completed_by": row.completed_by,
            }
            for row in rows
        }

    def all_jobs(self) -> list[Job]:
        """Every job of the ledger, newest first."""
        return self.jobs.ledger.of_project(PROJECT, limit=10_000)

    def at_rest(self) -> bool:
        """Whether no job waits or runs."""
        return not any(job.status in (JobStatus.QUEUED, JobStatus.RUNNING) for job in self.all_jobs())

    def close(self) -> None:
        """Give back the database."""
        self.database.close()
