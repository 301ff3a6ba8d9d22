"""Stratified folds for cross-validation while annotations are few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_folds(
    targets: NDArray[np.floating],
    folds: int,
    rng: np.random.Generator,
    *,
    groups: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """The fold in [0, folds) in which each row of targets [m, L] is held out; -1: never, it is always trained on.

    Each label is dealt out over the folds in turn. A label with a single photo is never held out: no training set
    without that photo could know it. Rows go by their heaviest label.

    Args:
        groups: int [m], rows of one number are held out together, such as copies that would tell each other's label.
            A group goes by the label of its first row, and counts as one photo. None: each row on its own.
    """
    labels = np.argmax(targets, axis=1)
    numbers = np.arange(len(targets)) if groups is None else groups
    _, first, member = np.unique(numbers, return_index=True, return_inverse=True)
    assigned = np.full(len(first), -1, dtype=np.int64)
    next_fold = 0
    for label in np.unique(labels[first]):
        units = rng.permutation(np.flatnonzero(labels[first] == label))
        if len(units) < 2:
            continue
        assigned[units] = (next_fold + np.arange(len(units))) % folds
        next_fold = (next_fold + len(units)) % folds
    if groups is not None:
        for label in np.unique(labels):
            units = np.unique(member[labels == label])
            if (assigned[units] == assigned[units[0]]).all():  # else that fold would have to name a label unheard of
                assigned[units] = -1
    return assigned[member]
