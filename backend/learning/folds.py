"""Stratified folds for cross-validation while annotations are few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_folds(targets: NDArray[np.floating], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold in [0, folds) in which each row of targets [m, L] is held out; -1: never, it is always trained on.

    Each label is dealt out over the folds in turn. A label with a single photo is never held out: no training set
    without that photo could know it. Rows go by their heaviest label.
    """
    labels = np.argmax(targets, axis=1)
    assigned = np.full(len(targets), -1, dtype=np.int64)
    next_fold = 0
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if len(rows) < 2:
            continue
        assigned[rows] = (next_fold + np.arange(len(rows))) % folds
        next_fold = (next_fold + len(rows)) % folds
    return assigned
