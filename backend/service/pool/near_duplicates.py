"""Photos that show the same picture (`PoolModel.same_photo`), kept for sheets to answer together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.learning.same_photo import FAR_NEARER, SAME_EMBEDDING, SAME_PHOTO, same_photo_groups
from backend.service.context.context import Runtime
from backend.service.pool.arrays import read_arrays, write_arrays
from backend.service.pool.cache import ProjectPool
from backend.service.versions.artifacts import project_folder

NAMES = ("key", "task_ids", "groups")  # of the arrays in the file
FORMER_NAME = "copies.npz"  # of the file, in earlier releases
RULE = f"{SAME_PHOTO} {SAME_EMBEDDING} {FAR_NEARER}"  # by which photos are the same


def duplicate_groups(neighbours: NDArray[np.integer], same: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The group of near-duplicates that each photo is in: int32 [n], -1 for a photo that is alone.

    Args:
        neighbours: int [n, j], rows of the nearest photos, most similar first; -1 = none.
        same: bool [n, j], which of them show the same picture.
    """
    group = same_photo_groups(neighbours, same)
    sizes = np.bincount(group, minlength=1)
    return np.where(sizes[group] > 1, group, -1).astype(np.int32)


def update_near_duplicates(runtime: Runtime, project_id: int, pool: ProjectPool, key: str) -> None:
    """Write down which photos show the same, if the pool, by its `key` (`pool_key`), or the rule has changed."""
    path = _path(runtime, project_id)
    kept = read_arrays(path, *NAMES)
    key = f"{key} {RULE}"
    if kept is not None and str(kept["key"]) == key:
        return
    model = pool.controls[0].model
    group = duplicate_groups(model.neighbours, model.same_photo)
    group[pool.gone] = -1
    rows = np.flatnonzero(group >= 0)
    write_arrays(path, key=key, task_ids=pool.task_ids[rows], groups=group[rows])
    path.with_name(FORMER_NAME).unlink(missing_ok=True)


def read_near_duplicates(runtime: Runtime, project_id: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Tasks that show what another one shows, and the group of each; empty where nothing was looked for yet."""
    kept = read_arrays(_path(runtime, project_id), *NAMES)
    if kept is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    return kept["task_ids"], kept["groups"]


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "near-duplicates.npz"
