"""Ridge regression on spread labels: the linear half of what the pool believes, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float32]

_CHUNK = 65_536


@dataclass(frozen=True)
class LinearModel:
    """Class scores `space @ weights + bias`, about 1 for the true class and 0 for the others.

    Attributes:
        weights: float32 [k, L].
        bias: float32 [L].
        sharpness: factor on the scores before the softmax.
    """

    weights: FloatArray
    bias: FloatArray
    sharpness: float = 16.0

    def probabilities(self, space: FloatArray) -> FloatArray:
        """float32 [n, L] of rows [n, k]; rows sum to 1."""
        scores = space @ self.weights
        scores += self.bias
        scores *= np.float32(self.sharpness)
        return softmax_in_place(scores)


def softmax_in_place(scores: FloatArray) -> FloatArray:
    """Row-wise softmax that overwrites `scores`: float32 [n, L] in [0, 1], rows sum to 1."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def fit_ridge(
    space: FloatArray, targets: FloatArray | sparse.csr_matrix, weight: FloatArray, *, penalty: float = 1.0
) -> LinearModel:
    """Weighted ridge regression with an intercept; one pass over the pool and one [k, k] solve.

    Args:
        space: float32 [n, k].
        targets: float32 [n, L], spread labels; sparse where most are zero, which saves most of the products with them.
        weight: float32 [n], trust in each row, at least 0.
        penalty: ridge penalty in units of rows.
    """
    n, k = space.shape
    second = np.zeros((k, k), dtype=np.float64)
    cross = np.zeros((k, targets.shape[1]), dtype=np.float64)
    first = np.zeros(k, dtype=np.float64)
    mean_target = np.zeros(targets.shape[1], dtype=np.float64)
    for start in range(0, n, _CHUNK):
        trust = weight[start : start + _CHUNK]
        goal = targets[start : start + _CHUNK]
        root = np.sqrt(trust)[:, None]
        weighted = space[start : start + _CHUNK] * root
        second += weighted.T @ weighted  # of one array with itself: half the work
        weighted *= root
        cross += (goal.T @ weighted).T
        first += weighted.sum(axis=0)
        mean_target += goal.T @ trust
    total = max(float(weight.sum(dtype=np.float64)), 1e-12)
    first /= total
    mean_target /= total
    second -= total * np.outer(first, first)
    cross -= total * np.outer(first, mean_target)
    second.flat[:: k + 1] += penalty
    weights = np.linalg.solve(second, cross)
    return LinearModel(weights.astype(np.float32), (mean_target - first @ weights).astype(np.float32))
