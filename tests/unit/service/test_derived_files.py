"""Files that a refresh derives from a pool: written anew once they are of another pool, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.learning.pool_model import PoolModel
from backend.service.context.context import Runtime
from backend.service.pool.cache import ClassWeights, ControlPool, ProjectPool
from backend.service.pool.near_duplicates import read_near_duplicates, update_near_duplicates
from backend.service.pool.pool_key import pool_key
from backend.service.pool.similarity_index import read_similarity_index, update_similarity_index
from backend.service.versions.artifacts import project_folder

pytestmark = pytest.mark.unit


def pool_of(embeddings: np.ndarray, backbone: str = "", changed: str = "") -> ProjectPool:
    n = len(embeddings)
    nothing: Any = None
    model = PoolModel(embeddings.astype(np.float16), np.full((n, 2), 0.5, dtype=np.float32))
    return ProjectPool(
        labels=nothing,
        relevance_roots=(),
        backbone=backbone,
        projection="",
        task_ids=np.arange(n, dtype=np.int64),
        digests=[*(f"{row:064x}" for row in range(n - 1)), changed or f"{n:064x}"],
        embeddings=embeddings.astype(np.float16),
        unknown=np.zeros(n, np.float32),
        relevance=None,
        weights=ClassWeights(None, 0),
        controls=[ControlPool(nothing, model)],
        gone=np.zeros(n, dtype=bool),
    )


def keyed(pool: ProjectPool) -> tuple[ProjectPool, str]:
    return pool, pool_key(pool)


def photos(*copies: tuple[int, int]) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(30, 64))
    for copy, original in copies:
        found[copy] = found[original]
    return found


def groups(runtime: Runtime) -> list[int]:
    return read_near_duplicates(runtime, 1)[0].tolist()


def test_near_duplicates_follow_the_pool_though_as_many_photos_are_in_it(runtime: Runtime) -> None:
    update_near_duplicates(runtime, 1, *keyed(pool_of(photos((3, 7)))))
    assert groups(runtime) == [3, 7]
    update_near_duplicates(runtime, 1, *keyed(pool_of(photos((4, 8)), backbone="another")))
    assert groups(runtime) == [4, 8]


def test_a_file_of_an_earlier_release_is_replaced(runtime: Runtime) -> None:
    folder = project_folder(runtime, 1)
    folder.mkdir(parents=True)
    for name in ("copies.npz", "looks.npz"):
        np.savez(folder / name, photos=30, task_ids=np.array([1, 2]), groups=np.array([0, 0]))
    pool = pool_of(photos((3, 7)))
    update_near_duplicates(runtime, 1, *keyed(pool))
    update_similarity_index(runtime, 1, *keyed(pool))
    assert groups(runtime) == [3, 7]
    assert sorted(path.name for path in folder.iterdir()) == ["near-duplicates.npz", "similarity-index.npz"]


def test_what_is_of_this_pool_is_left_alone_and_a_changed_photo_is_not(runtime: Runtime) -> None:
    keys = []
    for changed in ("", "", "f" * 64):
        pool = pool_of(photos((3, 7)), changed=changed)
        update_near_duplicates(runtime, 1, *keyed(pool))
        update_similarity_index(runtime, 1, *keyed(pool))
        index = read_similarity_index(runtime, 1)
        assert index is not None
        keys.append((index.key, (project_folder(runtime, 1) / "near-duplicates.npz").stat().st_ino))
    assert keys[0] == keys[1]
    assert keys[1][0] != keys[2][0]
    assert keys[1][1] != keys[2][1]
