"""What the pool's graph says of annotated photos that it was not told about: the honest basis of its calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.learning.folds import stratified_folds
from backend.learning.pool_model import PoolModel

Floats = NDArray[np.float32]

FOLDS = 5


def cross_validated(
    model: PoolModel, rows: NDArray[np.integer], targets: Floats, *, folds: int = FOLDS, seed: int = 0
) -> tuple[Floats, Floats]:
    """Probabilities [k, L] of k of the annotated `rows` [m], each from the annotations of the other folds, and their targets.

    A photo that is the only one of its label is never held out: the order goes for new labels on purpose, so that single
    photos are far more common among what is annotated than unheard-of labels are among the rest. `model` does not change.

    Args:
        targets: what was annotated, [m, L].
        folds: parts that the annotations are dealt into; each costs one propagation.
    """
    rows = np.asarray(rows, dtype=np.intp)
    fold = stratified_folds(targets, folds, np.random.default_rng(seed))
    held_out = np.zeros(targets.shape, dtype=np.float32)
    for part in range(folds):
        out = fold == part
        if out.any():
            held_out[out] = model.fork().propagate(rows[~out], targets[~out])[rows[out]]
    return held_out[fold >= 0], targets[fold >= 0]
