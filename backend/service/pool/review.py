"""The review: what the graph believes of annotated photos without their own annotation, kept for people to look at.

It comes from the cross-validation that calibrates what serves, so that it costs nothing of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.learning.calibration import tempered
from backend.service.context.context import Runtime
from backend.service.pool.arrays import read_arrays, write_arrays
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import Annotated, several_hold
from backend.service.versions.artifacts import project_folder

CERTAIN = 0.999  # an answer that is spread over the leaves of an inner choice names no label


@dataclass(frozen=True)
class Review:
    """Annotated photos of the first control; row r is the same photo in each array.

    Attributes:
        labels_key: which labels it speaks of.
        annotations: of how many annotated photos it was made.
        task_ids: int64 [m].
        given: int64 [m], the label that people agreed on.
        held_out: float16 [m, L], calibrated, what is believed without that; rows sum to 1.
    """

    labels_key: str
    annotations: int
    task_ids: NDArray[np.int64]
    given: NDArray[np.int64]
    held_out: NDArray[np.float16]


def keep_review(runtime: Runtime, project_id: int, pool: ProjectPool, annotated: Annotated) -> None:
    """Write the review down, if a newer one was made since it was last written."""
    calibration, targets = pool.controls[0].calibration, annotated.targets[0]
    if several_hold(pool.controls[0], targets):
        _forget(runtime, project_id)
    if calibration is None or calibration.rows is None or calibration.held_out is None:
        return
    kept = read_review(runtime, project_id)
    if kept is not None and (kept.labels_key, kept.annotations) == (pool.labels.key, calibration.annotations):
        return
    place = {int(row): number for number, row in enumerate(targets.rows)}
    known = np.array([int(row) in place and not pool.gone[row] for row in calibration.rows], dtype=bool)
    rows = calibration.rows[known]
    values = targets.values[[place[int(row)] for row in rows]] if rows.size else targets.values[:0]
    named = values.max(axis=1, initial=0.0) >= CERTAIN
    believed = tempered(calibration.held_out[known][named], calibration.temperature)
    review = Review(
        labels_key=pool.labels.key,
        annotations=calibration.annotations,
        task_ids=pool.task_ids[rows[named]],
        given=values[named].argmax(axis=1).astype(np.int64),
        held_out=believed.astype(np.float16),
    )
    write_review(runtime, project_id, review)


def _forget(runtime: Runtime, project_id: int) -> None:
    """Of photos with several labels nobody can say which was taken for which: what was made before there were any goes."""
    kept = read_review(runtime, project_id)
    if kept is not None and kept.task_ids.size:
        none = np.zeros(0, dtype=np.int64)
        write_review(runtime, project_id, Review(kept.labels_key, 0, none, none, kept.held_out[:0]))


def write_review(runtime: Runtime, project_id: int, review: Review) -> None:
    """Keep a review, whole or not at all."""
    write_arrays(_path(runtime, project_id), **vars(review))


def read_review(runtime: Runtime, project_id: int) -> Review | None:
    """The last review; None where there is none yet, or it is damaged (the next one replaces it)."""
    kept = read_arrays(_path(runtime, project_id), "labels_key", "annotations", "task_ids", "given", "held_out")
    if kept is None:
        return None
    return Review(str(kept["labels_key"]), int(kept["annotations"]), kept["task_ids"], kept["given"], kept["held_out"])


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "review.npz"
