"""The similarity index of a pool: each photo as a short unit vector, for the web process to find what is alike.

They are the leading axes of the projection that the graph lives in, so that "alike" means the same here and in the
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.learning.projection import Projection, unit_rows
from backend.service.context.context import Runtime
from backend.service.pool.arrays import read_arrays, write_arrays
from backend.service.pool.cache import ProjectPool
from backend.service.versions.artifacts import project_folder

AXES = 128
"""Leading axes kept: 25 MB for 100,000 photos; the order of the nearest hardly changes beyond."""

FORMER_NAME = "looks.npz"  # of the file, in earlier releases


@dataclass(frozen=True)
class SimilarityIndex:
    """The photos of a pool; row r is the same photo in each array.

    Attributes:
        key: changes with the photos and with the projection (`pool_key`).
        backbone: id of the backbone that saw them; "" is that of the settings.
        task_ids: int64 [n], ascending.
        vectors: float16 [n, k], unit rows.
        projection: from a photo's embedding to its vector.
    """

    key: str
    backbone: str
    task_ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    projection: Projection

    def row_of(self, task: int) -> int | None:
        """The row of a task; None where it is not known here."""
        place = int(np.searchsorted(self.task_ids, task))
        return place if place < self.task_ids.size and int(self.task_ids[place]) == task else None

    def cosines(self, vector: NDArray[np.floating]) -> NDArray[np.float32]:
        """How much each photo looks like `vector` [k]: float32 [n] in [-1, 1], 1 = the same."""
        found: NDArray[np.float32] = self.vectors.astype(np.float32) @ vector.astype(np.float32)
        return found


def update_similarity_index(runtime: Runtime, project_id: int, pool: ProjectPool, key: str) -> None:
    """Write the index, if the `key` of the pool (`pool_key`) is not that of the last time."""
    model = pool.controls[0].model
    ascending = np.argsort(pool.task_ids, kind="stable")
    ascending = ascending[~pool.gone[ascending]]
    axes = min(AXES, model.space.shape[1])
    kept = read_arrays(_path(runtime, project_id), "key")
    if kept is None or str(kept["key"]) != key:
        vectors = unit_rows(model.space[ascending, :axes]).astype(np.float16)
        projection = Projection(model.projection.mean, model.projection.matrix[:, :axes])
        write_similarity_index(
            runtime, project_id, SimilarityIndex(key, pool.backbone, pool.task_ids[ascending], vectors, projection)
        )
    _path(runtime, project_id).with_name(FORMER_NAME).unlink(missing_ok=True)


def write_similarity_index(runtime: Runtime, project_id: int, index: SimilarityIndex) -> None:
    """Write the index of a project, whole or not at all."""
    write_arrays(
        _path(runtime, project_id),
        key=index.key,
        backbone=index.backbone,
        task_ids=index.task_ids,
        vectors=index.vectors,
        mean=index.projection.mean,
        matrix=index.projection.matrix,
    )


def read_similarity_index(runtime: Runtime, project_id: int) -> SimilarityIndex | None:
    """The index of a project; None where there is none yet, or it is damaged (the next refresh writes it anew)."""
    kept = read_arrays(_path(runtime, project_id), "key", "backbone", "task_ids", "vectors", "mean", "matrix")
    if kept is None:
        return None
    projection = Projection(kept["mean"], kept["matrix"])
    return SimilarityIndex(str(kept["key"]), str(kept["backbone"]), kept["task_ids"], kept["vectors"], projection)


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "similarity-index.npz"
