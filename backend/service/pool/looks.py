"""The looks of a pool: each photo as a short unit vector, kept for the web process to find what is alike.

They are the leading axes of the projection that the graph lives in, so that "alike" means the same here and in the order.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.learning.projection import Projection, unit_rows
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.versions.artifacts import project_folder

log = logging.getLogger(__name__)

AXES = 128
"""Leading axes kept: 25 MB for 100,000 photos; the order of the nearest hardly changes beyond."""


@dataclass(frozen=True)
class Looks:
    """The photos of a pool; row r is the same photo in each array.

    Attributes:
        key: changes with the photos and with the projection.
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


def keep_looks(runtime: Runtime, project_id: int, pool: ProjectPool) -> None:
    """Write the looks down, if the pool or its projection is not that of the last time."""
    model = pool.controls[0].model
    ascending = np.argsort(pool.task_ids, kind="stable")
    ascending = ascending[~pool.gone[ascending]]
    axes = min(AXES, model.space.shape[1])
    found = hashlib.blake2b(pool.task_ids[ascending].tobytes(), digest_size=16)
    found.update(pool.backbone.encode() + model.projection.mean.tobytes())
    found.update(np.ascontiguousarray(model.projection.matrix[:, :axes]).tobytes())
    key = found.hexdigest()
    if _key(_path(runtime, project_id)) != key:
        vectors = unit_rows(model.space[ascending, :axes]).astype(np.float16)
        projection = Projection(model.projection.mean, model.projection.matrix[:, :axes])
        write_looks(runtime, project_id, Looks(key, pool.backbone, pool.task_ids[ascending], vectors, projection))


def write_looks(runtime: Runtime, project_id: int, looks: Looks) -> None:
    """Write the looks of a project, whole or not at all."""
    path = _path(runtime, project_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        np.savez(
            file,
            key=np.array(looks.key),
            backbone=np.array(looks.backbone),
            task_ids=looks.task_ids,
            vectors=looks.vectors,
            mean=looks.projection.mean,
            matrix=looks.projection.matrix,
        )
    temporary.replace(path)


def read_looks(runtime: Runtime, project_id: int) -> Looks | None:
    """The looks of a project; None where there are none yet, or they are damaged (the next refresh writes them anew)."""
    try:
        with np.load(_path(runtime, project_id), allow_pickle=False) as arrays:
            projection = Projection(arrays["mean"], arrays["matrix"])
            return Looks(str(arrays["key"]), str(arrays["backbone"]), arrays["task_ids"], arrays["vectors"], projection)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("the looks of project %s are damaged: %s", project_id, error)
        return None


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "looks.npz"


def _key(path: Path) -> str | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays["key"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
