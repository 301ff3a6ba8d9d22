"""The map of a project: its photos in the plane, drawn by a job, kept as one file, and what each point is coloured by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.jobs.kinds import JobKind
from backend.learning.layout import lay_out
from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.insight.coverage import answered_tasks
from backend.service.pool.arrays import read_arrays, write_arrays
from backend.service.pool.current import current_snapshot
from backend.service.pool.similarity_index import SimilarityIndex, read_similarity_index
from backend.service.pool.snapshot import mass_of
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.versions.artifacts import project_folder
from backend.storage.schema import Project

FRESH_SHARE = 0.1
"""Share of the photos that may be missing on the map before it is drawn anew."""

GRID = 65535
"""Places are given as whole numbers from 0 to this: finer than any screen, and short in JSON."""


@dataclass(frozen=True)
class PhotoMap:
    """Where the photos lie; row r is the same photo in each array.

    Attributes:
        axes: the backbone and the learnt projection that the vectors came from, by name.
        task_ids: int64 [n], ascending.
        places: float32 [n, 2] in [-1, 1].
    """

    axes: str
    task_ids: NDArray[np.int64]
    places: NDArray[np.float32]

    @property
    def digest(self) -> str:
        """Of all that the file holds."""
        found = hashlib.blake2b(self.axes.encode(), digest_size=16)
        found.update(np.ascontiguousarray(self.task_ids).tobytes())
        found.update(np.ascontiguousarray(self.places).tobytes())
        return found.hexdigest()

    def is_old(self, index: SimilarityIndex, axes: str) -> bool:
        """Whether the photos lie otherwise by now, or too many are missing."""
        missing = index.task_ids.size - np.isin(index.task_ids, self.task_ids, assume_unique=True).sum()
        return self.axes != axes or bool(missing > FRESH_SHARE * index.task_ids.size)


def draw_map(runtime: Runtime, project_id: int, progress: Progress) -> dict[str, Any]:
    """Lay the photos of a project out and keep the map. Returns a `message`.

    Raises:
        BackendError: `not_ready`, no photo is embedded yet.
    """
    index = read_similarity_index(runtime, project_id)
    if index is None or not index.task_ids.size:
        raise BackendError(
            f"The photos of project {project_id} are still being read. Draw the map in a minute.", reason="not_ready"
        )
    axes = _axes_of(runtime, project_id, index)  # now: a training may change them while the map is drawn
    start = np.full((index.task_ids.size, 2), np.nan, dtype=np.float32)
    before = read_map(runtime, project_id)
    if before is not None:
        _, ours, theirs = np.intersect1d(index.task_ids, before.task_ids, assume_unique=True, return_indices=True)
        start[ours] = before.places[theirs]
    places = lay_out(index.vectors, None if before is None else start, progress)
    write_map(runtime, project_id, PhotoMap(axes, index.task_ids, places))
    return {"photos": int(index.task_ids.size), "message": f"a map of {index.task_ids.size} photos"}


def write_map(runtime: Runtime, project_id: int, drawn: PhotoMap) -> None:
    """Keep a map, whole or not at all."""
    write_arrays(
        _path(runtime, project_id), axes=drawn.axes, task_ids=drawn.task_ids, places=drawn.places, digest=drawn.digest
    )


def read_map(runtime: Runtime, project_id: int) -> PhotoMap | None:
    """The kept map; None where there is none, or the file is not what was written."""
    kept = read_arrays(_path(runtime, project_id), "axes", "task_ids", "places", "digest")
    if kept is None:
        return None
    found = PhotoMap(str(kept["axes"]), kept["task_ids"], kept["places"])
    return found if found.digest == str(kept["digest"]) else None


def ask_for_new_map(runtime: Runtime, project_id: int) -> None:
    """Have a map drawn anew once it is old; a project whose map nobody asked for gets none."""
    kept = read_map(runtime, project_id)
    if kept is None or runtime.jobs.pending(JobKind.MAP, project_id):
        return
    if runtime.jobs.cancelled_at(JobKind.MAP, project_id, or_failed=True) is not None:
        return  # what failed once would fail at each refresh: a person asks for it
    index = read_similarity_index(runtime, project_id)
    if index is not None and kept.is_old(index, _axes_of(runtime, project_id, index)):
        runtime.jobs.enqueue(JobKind.MAP, project_id)


def map_points(runtime: Runtime, project: Project) -> dict[str, Any]:
    """The points of the map with what each is coloured by: columns of equal length, in the order of the tasks.

    `label` is the likeliest one; `doubt` and `relevance` are whole per cents; `place` is the place in the order of the
    photos without an answer, 1 = next, 0 = answered. `relevance` is empty where the labels have no `Not relevant`.

    Raises:
        BackendError: `no_map`, nobody had it drawn yet; `not_ready`, nothing is predicted yet.
    """
    drawn = read_map(runtime, project.id)
    if drawn is None:
        raise BackendError(
            f"Project {project.id} has no map yet: POST /projects/{project.id}/map/draw.", reason="no_map"
        )
    snapshot = current_snapshot(runtime, project)
    tasks, ours, theirs = np.intersect1d(drawn.task_ids, snapshot.task_ids, assume_unique=True, return_indices=True)
    space = labels_of(runtime, project).spaces[0]
    believed, irrelevant = snapshot.believed, np.flatnonzero(space.irrelevant)
    strange = mass_of(snapshot.controls[0].probabilities, irrelevant)[theirs] if irrelevant.size else np.zeros(0)
    answered = np.isin(tasks, answered_tasks(runtime, project.id))
    order = np.argsort(np.where(answered, np.inf, -np.asarray(snapshot.priority)[theirs]), kind="stable")
    place = np.empty(tasks.size, dtype=np.int64)
    place[order] = np.arange(1, tasks.size + 1)
    place[answered] = 0
    grid = np.rint((drawn.places[ours] + 1.0) / 2.0 * GRID).astype(np.int64)
    return {
        "digest": drawn.digest,
        "grid": GRID,
        "newer": int(snapshot.task_ids.size - tasks.size),
        "labels": [label.title for label in space.control.labels],
        "task": tasks.tolist(),
        "x": grid[:, 0].tolist(),
        "y": grid[:, 1].tolist(),
        "label": believed.label[theirs].tolist(),
        "doubt": _per_cent(1.0 - believed.confidence[theirs].astype(np.float32)),
        "place": place.tolist(),
        "relevance": _per_cent(1.0 - strange),
        "answered": answered.astype(np.int64).tolist(),
    }


def map_state(runtime: Runtime, project: Project) -> dict[str, Any]:
    """Whether there is a map, and whether one is being drawn."""
    drawn = read_map(runtime, project.id)
    drawing = runtime.jobs.pending(JobKind.MAP, project.id)
    return {"photos": 0 if drawn is None else int(drawn.task_ids.size), "drawing": drawing}


def _per_cent(shares: NDArray[np.floating]) -> list[int]:
    found: list[int] = np.rint(100.0 * np.clip(shares, 0.0, 1.0)).astype(np.int64).tolist()
    return found


def _axes_of(runtime: Runtime, project_id: int, index: SimilarityIndex) -> str:
    """The projection itself is fitted anew as the pool grows, which moves little: no reason for a new map."""
    return f"{index.backbone} {find_project(runtime, project_id).projection}"


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "map.npz"
