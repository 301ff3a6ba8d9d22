"""What ImageNet classes tell in a pool is worked out anew once the pool has doubled."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache, ProjectPool
from backend.service.projects.project import find_project
from backend.storage.database import Database
from backend.storage.schema import Task

from .embedded_project import Embedded

pytestmark = pytest.mark.unit


def pool_in(pools: PoolCache, runtime: Runtime) -> ProjectPool:
    return pools.current(find_project(runtime, 7), (), 0)


def join(project: Embedded, numbers: range) -> None:
    """Tasks that are embedded by now."""
    backbone = project.runtime.backbone
    digests = [hashlib.sha256(f"photo {number}".encode()).hexdigest() for number in numbers]
    vectors = np.random.default_rng(1).normal(size=(len(digests), backbone.spec.embedding_dim))
    project.runtime.features.put(backbone.id, list(zip(digests, vectors, strict=True)))
    with project.database.session() as session:
        for number, digest in zip(numbers, digests, strict=True):
            session.add(Task(project_id=7, task_id=number, data={}, image=str(number), digest=digest))


def test_a_pool_that_has_doubled_is_weighed_anew(runtime: Runtime, database: Database, jobs: JobQueue) -> None:
    project = Embedded(runtime, database, jobs)
    before = pool_in(project.pools, runtime).weights
    assert before.photos == 60
    join(project, range(100, 110))
    grown = pool_in(project.pools, runtime)
    assert (grown.n, grown.weights) == (70, before)
    assert grown.controls[0].model.crowd_prior is not None
    assert len(grown.controls[0].model.crowd_prior) == 70
    for control in grown.controls:
        assert control.model.depicted is not None
        assert control.model.depicted.tolist() == control.space.depicted.tolist()
    join(project, range(110, 170))
    doubled, whole = pool_in(project.pools, runtime), pool_in(PoolCache(runtime), runtime)
    assert (doubled.n, doubled.weights.photos) == (130, 130)
    assert whole.weights.values == pytest.approx(doubled.weights.values)
    for grown_control, control in zip(doubled.controls, whole.controls, strict=True):
        assert grown_control.model.crowd_prior == pytest.approx(control.model.crowd_prior, abs=1e-6)
