"""Pools are kept while they fit into the memory that the settings give; heads of a version keep their order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backend.learning.head import HeadOptions, train_head
from backend.priority import order_pool
from backend.service.context.context import Runtime
from backend.service.pool.cache import ClassWeights, PoolCache, ProjectPool
from backend.service.pool.memory import ROW_BYTES, array_bytes
from backend.service.versions.artifacts import head_folder, load_heads, save_heads
from backend.settings import Settings
from backend.storage.database import Database
from tests.unit.priority.views import random_view

pytestmark = pytest.mark.unit


def pool_of(megabytes: int) -> ProjectPool:
    rows = megabytes * 1024
    nothing: Any = None
    return ProjectPool(
        labels=nothing,
        relevance_roots=(),
        backbone="",
        projection="",
        task_ids=np.zeros(0, np.int64),
        digests=[],
        embeddings=np.zeros((rows, 512), np.float16),
        unknown=np.zeros(0, np.float32),
        relevance=None,
        weights=ClassWeights(None, 0),
        controls=[],
        gone=np.zeros(0, bool),
    )


def test_memory_that_arrays_share_counts_once() -> None:
    block = np.zeros((100, 10), np.float32)
    holder = SimpleNamespace(whole=block, part=block[:50], more=[block, np.zeros(7, np.int8)], name="pool")
    holder.itself = holder
    assert array_bytes(holder, block) == 4000 + 7


def test_pools_are_kept_by_bytes_and_the_one_in_use_always(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path, pool_memory_mb=50)
    pools = PoolCache(Runtime(settings, Database(settings.resolved_database_url), None))
    for project in range(1, 5):
        pools._keep(project, pool_of(20))
    assert list(pools._pools) == [3, 4]
    for project in range(10, 40):
        pools._keep(project, pool_of(1))
    assert len(pools._pools) == 31, "many small ones fit beside a big one"
    pools._keep(99, pool_of(80))
    assert list(pools._pools) == [99]
    assert pool_of(1).nbytes == 2**20
    assert ROW_BYTES > 0


def test_heads_of_more_than_ten_controls_come_back_in_their_order(runtime: Runtime) -> None:
    rng = np.random.default_rng(0)
    heads = []
    for labels in range(2, 14):
        embeddings = rng.standard_normal((2 * labels, 8)).astype(np.float32)
        targets = np.eye(labels, dtype=np.float32).repeat(2, axis=0)
        heads.append(train_head(embeddings, targets, HeadOptions(), epochs=1))
    save_heads(head_folder(runtime, 7, "head-1"), heads)
    found = load_heads(runtime, 7, "head-1")
    assert found is not None
    assert [head.n_labels for head in found] == list(range(2, 14))


def test_what_orders_keep_of_a_pool_counts() -> None:
    pool, view = pool_of(1), random_view(500)
    order_pool(view, layouts=pool.layouts)
    assert pool.nbytes >= 2**20 + 2 * 8 * view.n, "its order, and the positions of the evaluation sample"
