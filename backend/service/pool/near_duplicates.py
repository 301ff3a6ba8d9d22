"""Photos that show the same picture (`same_photos`), kept for sheets to answer together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from backend.learning.same_photo import same_photos
from backend.service.context.context import Runtime
from backend.service.pool.arrays import read_arrays, write_arrays
from backend.service.pool.cache import ProjectPool
from backend.service.versions.artifacts import project_folder

NAMES = ("photos", "task_ids", "groups")  # of the arrays in the file


def duplicate_groups(neighbours: NDArray[np.integer], similarities: NDArray[np.float32]) -> NDArray[np.int32]:
    """The group of near-duplicates that each photo is in: int32 [n], -1 for a photo that is alone.

    Args:
        neighbours: int [n, j], rows of the nearest photos, most similar first; -1 = none.
        similarities: float32 [n, j], their cosines.
    """
    n = neighbours.shape[0]
    rows, others = same_photos(neighbours, similarities)
    links = sparse.coo_matrix((np.ones(rows.size, dtype=bool), (rows, others)), shape=(n, n))
    _, group = connected_components(links, directed=False)
    sizes = np.bincount(group, minlength=1)
    return np.where(sizes[group] > 1, group, -1).astype(np.int32)


def update_near_duplicates(runtime: Runtime, project_id: int, pool: ProjectPool) -> None:
    """Write down which photos show the same, if the pool is not that of the last time."""
    path = _path(runtime, project_id)
    kept = read_arrays(path, *NAMES)
    photos = len(pool.row_of)
    if kept is not None and int(kept["photos"]) == photos:
        return
    model = pool.controls[0].model
    group = duplicate_groups(model.neighbours, model.similarities)
    group[pool.gone] = -1
    rows = np.flatnonzero(group >= 0)
    write_arrays(path, photos=photos, task_ids=pool.task_ids[rows], groups=group[rows])


def read_near_duplicates(runtime: Runtime, project_id: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Tasks that show what another one shows, and the group of each; empty where nothing was looked for yet."""
    kept = read_arrays(_path(runtime, project_id), *NAMES)
    if kept is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    return kept["task_ids"], kept["groups"]


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "copies.npz"
