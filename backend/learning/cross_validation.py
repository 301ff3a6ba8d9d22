"""What the pool's graph says of annotated photos that it was not told about: the honest basis of its calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.learning.folds import stratified_folds
from backend.learning.pool_model import PoolModel
from backend.learning.same_photo import same_photo_groups

Floats = NDArray[np.float32]

FOLDS = 5


def held_out_probabilities(
    model: PoolModel, rows: NDArray[np.integer], targets: Floats, *, folds: int = FOLDS, seed: int = 0
) -> tuple[NDArray[np.bool_], Floats]:
    """What would be believed of each annotated row, had its own annotation not been made.

    A photo that is the only one of its label is never held out: the order goes for new labels on purpose, so that
    single photos are far more common among what is annotated than unheard-of labels are among the rest. Photos that
    show the same picture are held out together: one would be told the other's answer. `model` does not change.

    Args:
        rows: int [m], rows of the pool.
        targets: what was annotated, [m, L].
        folds: parts that the annotations are dealt into; each costs one propagation.

    Returns: bool [m], which rows were held out; and float32 [m, L], their probabilities from the annotations of the
    other folds, zeros for the others.
    """
    rows = np.asarray(rows, dtype=np.intp)
    groups = same_photo_groups(model.neighbours, model.same_photo)[rows]
    fold = stratified_folds(targets, folds, np.random.default_rng(seed), groups=groups)
    believed = np.zeros(targets.shape, dtype=np.float32)
    for part in range(folds):
        out = fold == part
        if out.any():
            believed[out] = model.fork().propagate(rows[~out], targets[~out])[rows[out]]
    return fold >= 0, believed


def cross_validated(
    model: PoolModel, rows: NDArray[np.integer], targets: Floats, *, folds: int = FOLDS, seed: int = 0
) -> tuple[Floats, Floats]:
    """Probabilities [k, L] of those k of the annotated `rows` that can be held out, and their targets [k, L]."""
    held, believed = held_out_probabilities(model, rows, targets, folds=folds, seed=seed)
    return believed[held], targets[held]
