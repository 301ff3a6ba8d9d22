"""How much one label would teach, row by row: probabilities or neighbours in, a score in [0, 1] out.

Nothing is chosen here (see `selectors`). Numbers in brackets refer to docs/bibliography.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import FloatArray

Numbers = NDArray[np.floating[Any]]


def usable_probabilities(probabilities: Numbers) -> FloatArray:
    """Rows that sum to 1, whatever came in.

    A row with a NaN, an infinity, a negative value or no mass says nothing about its image: it becomes uniform,
    which every uncertainty measure calls most uncertain.

    Args:
        probabilities: [n, L].

    Returns:
        float32 [n, L], each value in [0, 1], each row summing to 1.
    """
    values = np.asarray(probabilities, dtype=np.float32)
    if values.ndim != 2:
        raise ValueError(f"probabilities must be a matrix [rows, labels], not of shape {values.shape}")
    if values.size == 0:
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        totals = values.sum(axis=1, dtype=np.float64).astype(np.float32)
        sound = np.isfinite(totals) & (totals > 0) & (values.min(axis=1) >= 0)
    divisor = np.where(sound, totals, np.float32(1.0))
    result: FloatArray = values / divisor[:, None]
    result[~sound] = 1.0 / values.shape[1]
    return result


def least_confidence(probabilities: Numbers) -> FloatArray:
    """How little the model trusts its best guess [1].

    Formula: (1 - p1) · L / (L - 1), p1 the largest probability of the row.
    Range: [0, 1], 1 = most uncertain (uniform). One label only: 0.
    Shape: [n, L] -> float32 [n].
    Cost: O(n L).
    """
    values = usable_probabilities(probabilities)
    labels = values.shape[1]
    if labels < 2:
        return np.zeros(values.shape[0], dtype=np.float32)
    scaled = (1.0 - values.max(axis=1)) * (labels / (labels - 1))
    return _unit(scaled)


def margin(probabilities: Numbers) -> FloatArray:
    """How close the two best guesses are [2].

    Formula: 1 - (p1 - p2), p1 and p2 the two largest probabilities of the row.
    Range: [0, 1], 1 = the two best guesses are level. One label only: 0.
    Shape: [n, L] -> float32 [n].
    Cost: O(n L).
    """
    first, second = _two_largest(usable_probabilities(probabilities))
    return _unit(1.0 - (first - second))


def set_doubt(probabilities: Numbers) -> FloatArray:
    """How probably some label is taken wrongly, where each of several may hold.

    Formula: 1 - Π max(p, 1 - p) over the labels of the row, each taken for itself.
    Range: [0, 1], 0 = every label is certain to hold or not to. Without labels: 0. What is no number is 1/2.
    Shape: [n, L], each in [0, 1] -> float32 [n].
    Cost: O(n L).
    """
    values = np.clip(np.nan_to_num(np.asarray(probabilities, dtype=np.float32), nan=0.5), 0.0, 1.0)
    return _unit(1.0 - np.maximum(values, 1.0 - values).prod(axis=1))


def ratio(probabilities: Numbers) -> FloatArray:
    """How much of the best guess's probability the second best has [1].

    Formula: p2 / p1.
    Range: [0, 1], 1 = the two best guesses are level. One label only: 0.
    Shape: [n, L] -> float32 [n].
    Cost: O(n L).
    """
    first, second = _two_largest(usable_probabilities(probabilities))
    return _unit(second / np.maximum(first, np.finfo(np.float32).tiny))


def entropy(probabilities: Numbers) -> FloatArray:
    """How spread the belief is over all labels [3].

    Formula: -Σ p log p / log L, with 0 log 0 = 0.
    Range: [0, 1], 1 = uniform. One label only: 0.
    Shape: [n, L] -> float32 [n].
    Cost: O(n L).
    """
    values = usable_probabilities(probabilities)
    labels = values.shape[1]
    if labels < 2:
        return np.zeros(values.shape[0], dtype=np.float32)
    surprise = -np.log(np.where(values > 0, values, 1.0))
    return _unit((values * surprise).sum(axis=1) / np.log(labels))


def typicality(squared_distances: Numbers) -> FloatArray:
    """How crowded the neighbourhood is [9], brought into a bounded range.

    Formula: 1 / (1 + m), m the mean Euclidean distance to the given neighbours; the paper's 1 / m in the same order.
    Range: [0, 1], 1 = all neighbours coincide with the row. Without neighbours: 0.
    Shape: [n, k] squared distances -> float32 [n].
    Cost: O(n k).
    """
    values = np.asarray(squared_distances, dtype=np.float32)
    if values.shape[1] == 0:
        return np.zeros(values.shape[0], dtype=np.float32)
    mean = np.sqrt(np.maximum(values, 0.0)).mean(axis=1)
    return _unit(1.0 / (1.0 + mean))


def mean_similarity(space: Numbers, reference: Numbers) -> FloatArray:
    """Mean cosine to every reference row, in one pass [12].

    Formula: (1 + x · mean(reference)) / 2.
    Range: [0, 1], 1 = in line with all of the reference; 0.5 = unrelated, and where there is no reference.
    Shape: unit rows [n, k] and [m, k] -> float32 [n].
    Cost: O((n + m) k): the mean of the products is the product with the mean.
    """
    rows = np.asarray(space, dtype=np.float32)
    others = np.asarray(reference, dtype=np.float32)
    if others.shape[0] == 0:
        return np.full(rows.shape[0], 0.5, dtype=np.float32)
    centre = others.mean(axis=0, dtype=np.float64).astype(np.float32)
    return _unit((1.0 + rows @ centre) / 2.0)


def _two_largest(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The largest and second largest value of each row; with fewer than two columns 1 and 0."""
    if values.shape[1] < 2:
        ones = np.ones(values.shape[0], dtype=np.float32)
        return ones, np.zeros_like(ones)
    parted = np.partition(values, values.shape[1] - 2, axis=1)
    return parted[:, -1], parted[:, -2]


def _unit(scores: Numbers) -> FloatArray:
    """Rounding must not leave [0, 1]."""
    return np.clip(scores, 0.0, 1.0).astype(np.float32)
