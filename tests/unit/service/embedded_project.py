"""A project whose photos are embedded at random: for what depends on counts and not on what is seen."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache
from backend.service.projects.project import set_up_project
from backend.service.queue.refresh import refresh_project
from backend.storage.database import Database
from backend.storage.schema import Annotation, Task

from .samples import CONFIG, choice


class Embedded:
    """Project 7 with 60 tasks, all embedded."""

    def __init__(self, runtime: Runtime, database: Database, jobs: JobQueue) -> None:
        self.runtime, self.database, self.jobs = runtime, database, jobs
        self.pools = PoolCache(runtime)
        backbone = runtime.backbone
        digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(60)]
        vectors = np.random.default_rng(0).normal(size=(len(digests), backbone.spec.embedding_dim))
        runtime.features.put(backbone.id, list(zip(digests, vectors, strict=True)))
        set_up_project(runtime, 7, label_config=CONFIG)
        with database.session() as session:
            for number, digest in enumerate(digests):
                session.add(Task(project_id=7, task_id=number, data={}, image=str(number), digest=digest))

    def annotate(self, tasks: range, **columns: Any) -> None:
        with self.database.session() as session:
            for number in tasks:
                values = {"annotation_id": number, "task_id": number, "result": choice("Golf"), **columns}
                session.add(Annotation(project_id=7, **values))

    def refresh(self) -> list[str]:
        """Order anew; the trainings that wait then."""
        refresh_project(self.runtime, self.pools, 7, lambda fraction, message: None)
        return [job for job in self.jobs.ledger.waiting(7) if self.jobs.ledger.get(job).kind == "train"]
