"""Batches of row indices for training: simple (every photo once an epoch) or class-balanced."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def balanced_weights(targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """Drawing probability of each row [m], summing to 1, that makes every present label equally frequent.

    A row of targets [m, L] weighs the mean of 1 / frequency over its labels; rows without any label count as one
    label of their own, so that photos with no label (multi-label projects) are seen too.
    """
    frequency = targets.sum(axis=0, dtype=np.float64)
    inverse = np.divide(1.0, frequency, out=np.zeros_like(frequency), where=frequency > 0)
    sizes = targets.sum(axis=1, dtype=np.float64)
    weights = np.divide(targets @ inverse, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    empty = sizes == 0
    if empty.any():
        weights[empty] = 1.0 / empty.sum()
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities


def simple_batches(count: int, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless batches of row indices: shuffled passes over all rows, run together so that no batch is short."""
    waiting: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < batch_size:
            waiting = np.concatenate([waiting, rng.permutation(count)])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]


def balanced_batches(
    targets: NDArray[np.floating], batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Endless batches in which every label present in targets [m, L] is expected equally often.

    Systematic resampling: over any stretch the number of draws of a row differs from its expectation by less than 2.
    """
    expected = balanced_weights(targets)
    count = len(expected)
    edges = np.cumsum(expected)
    edges[-1] = 1.0
    while True:
        points = (rng.random() + np.arange(max(count, batch_size))) / max(count, batch_size)
        rows = rng.permutation(np.searchsorted(edges, points % 1.0, side="right").clip(max=count - 1))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield rows[start : start + batch_size]
