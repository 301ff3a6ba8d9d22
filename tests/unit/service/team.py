"""A project whose photos are embedded at random, its small Label Studio, and people who label there."""

from __future__ import annotations

import hashlib

import numpy as np

from backend.jobs.worker_name import WorkerName
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.pool.cache import PoolCache
from backend.service.projects.project import find_project, set_up_project
from backend.service.queue.queue_window import current_window
from backend.service.queue.refill import refill_window
from backend.service.queue.refresh import refresh_project
from backend.storage.schema import Job, Task
from backend.sync.placing import LAST
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.samples import CONFIG, annotated, annotation, choice

PROJECT = 7
TASKS = 300


class Team:
    """Project 7 with `TASKS` embedded photos, its Label Studio, and people who label there."""

    def __init__(self, runtime: Runtime, label_studio: SmallLabelStudio) -> None:
        self.runtime, self.label_studio = runtime, label_studio
        self.pools = PoolCache(runtime)
        self.answers = 0
        backbone = runtime.backbone
        digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(TASKS)]
        vectors = np.random.default_rng(0).normal(size=(TASKS, backbone.spec.embedding_dim))
        runtime.features.put(backbone.id, list(zip(digests, vectors, strict=True)))
        set_up_project(runtime, PROJECT, label_config=CONFIG)
        with runtime.database.session() as session:
            for number, digest in enumerate(digests):
                session.add(Task(project_id=PROJECT, task_id=number + 1, data={}, image=str(number), digest=digest))

    def refresh(self, *, polled: bool = False) -> None:
        """As an annotation asks for it, or a poll that finds places left over."""
        refresh_project(self.runtime, self.pools, PROJECT, lambda fraction, message: None, republish=polled)

    def claim(self) -> Job:
        """Take the order that waits, as a worker does."""
        (waiting,) = self.runtime.jobs.ledger.waiting(PROJECT, "refresh")
        job = self.runtime.jobs.ledger.claim(waiting, WorkerName.of_this_process())
        assert job is not None
        return job

    def refill(self, size: int) -> int:
        return refill_window(self.runtime, find_project(self.runtime, PROJECT), size)

    def window(self) -> list[int]:
        return [item.task_id for item in current_window(self.runtime, find_project(self.runtime, PROJECT))]

    def places(self) -> list[int]:
        """The queue of Label Studio, but for what went behind every window."""
        scores = {
            row["task"]: row["score"]
            for task in self.label_studio.tasks.values()
            for row in task["predictions"]
            if row["model_version"] == self.label_studio.project["model_version"]
        }
        return [task for task in self.label_studio.queue() if scores[task] < LAST]

    def answer(self, person: int) -> bool:
        """A person answers the task that they hold, and asks for the next one; whether there is one."""
        task = self.label_studio.held[person]
        made = self.label_studio.annotate(task, choice("Golf"))
        event = annotated("ANNOTATION_CREATED", annotation(made["id"], "Golf", task=task, completed_by=person))
        config = self.label_studio.project["label_config"]
        handle_event(self.runtime, event["action"], {**event, "project": {**event["project"], "label_config": config}})
        self.answers += 1
        return self.label_studio.hand_out(person) is not None
