"""What the pool's graph says of annotated photos that it was not told about: the honest basis of its calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.learning.pool_model import PoolModel

Floats = NDArray[np.float32]

FOLDS = 5


def cross_validated(
    model: PoolModel, rows: NDArray[np.integer], targets: Floats, *, folds: int = FOLDS, seed: int = 0
) -> Floats:
    """Probabilities float32 [m, L] of the annotated `rows` [m], each from the annotations of the other folds.

    Every photo is held out once, also the only one of its label: that a label was never heard of is one way to be wrong.
    `model` itself does not change.

    Args:
        targets: what was annotated, [m, L].
        folds: parts that the annotations are dealt into; each costs one propagation.
    """
    rows = np.asarray(rows, dtype=np.intp)
    fold = np.random.default_rng(seed).permutation(rows.size) % folds
    held_out = np.zeros(targets.shape, dtype=np.float32)
    for part in range(min(folds, rows.size)):
        out = fold == part
        held_out[out] = model.fork().propagate(rows[~out], targets[~out])[rows[out]]
    return held_out
