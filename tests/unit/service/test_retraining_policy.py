"""When a training is asked for by itself: after so many new annotations, once, and not while one is under way."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from backend.jobs.queue import JobQueue
from backend.jobs.worker_name import WorkerName
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache
from backend.service.projects.project import set_up_project
from backend.service.queue.refresh import refresh_project
from backend.storage.database import Database
from backend.storage.schema import Annotation, Project, Task
from tests.application import AppFactory, Application

from .samples import CONFIG, choice

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

ME = WorkerName("here", 1, "aaaa")


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    return app_factory(backbone="efficientnet_lite2", retrain_every=5)


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

    def annotate(self, tasks: range) -> None:
        with self.database.session() as session:
            for number in tasks:
                values: dict[str, Any] = {"annotation_id": number, "task_id": number, "result": choice("Golf")}
                session.add(Annotation(project_id=7, **values))

    def refresh(self) -> list[str]:
        """Order anew; the trainings that wait then."""
        refresh_project(self.runtime, self.pools, 7, lambda fraction, message: None)
        return [job for job in self.jobs.ledger.waiting(7) if self.jobs.ledger.get(job).kind == "train"]


def test_a_training_is_asked_for_once_for_the_same_annotations(
    runtime: Runtime, database: Database, jobs: JobQueue
) -> None:
    project = Embedded(runtime, database, jobs)
    project.annotate(range(4))
    assert project.refresh() == []
    project.annotate(range(4, 5))
    (training,) = project.refresh()
    assert project.refresh() == [training]

    assert jobs.ledger.claim(training, ME) is not None
    project.annotate(range(5, 6))
    assert project.refresh() == [], "what runs has these annotations; the refresh after it looks again"

    with database.session() as session:
        session.execute(update(Project).where(Project.id == 7).values(trained_annotations=5))
    jobs.ledger.finish(training, ME, result={}, error=None)
    assert project.refresh() == []
    project.annotate(range(6, 10))
    (again,) = project.refresh()
    assert again != training
