"""The review: what the graph believes of annotated photos without their own annotation, kept for people to look at.

It comes from the cross-validation that calibrates what serves, so that it costs nothing of its own.
"""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.learning.calibration import tempered
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import Annotated
from backend.service.versions.artifacts import project_folder

log = logging.getLogger(__name__)

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
    _write(
        _path(runtime, project_id),
        Review(
            pool.labels.key,
            calibration.annotations,
            pool.task_ids[rows[named]],
            values[named].argmax(axis=1).astype(np.int64),
            believed.astype(np.float16),
        ),
    )


def read_review(runtime: Runtime, project_id: int) -> Review | None:
    """The last review; None where there is none yet, or it is damaged (the next one replaces it)."""
    try:
        with np.load(_path(runtime, project_id), allow_pickle=False) as arrays:
            return Review(
                str(arrays["labels_key"]),
                int(arrays["annotations"]),
                arrays["task_ids"],
                arrays["given"],
                arrays["held_out"],
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("the review of project %s is damaged: %s", project_id, error)
        return None


def _path(runtime: Runtime, project_id: int) -> Path:
    return project_folder(runtime, project_id) / "review.npz"


def _write(path: Path, review: Review) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        np.savez(
            file,
            labels_key=np.array(review.labels_key),
            annotations=np.array(review.annotations),
            task_ids=review.task_ids,
            given=review.given,
            held_out=review.held_out,
        )
    temporary.replace(path)
