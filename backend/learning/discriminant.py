"""Linear discriminant fitted on soft labels: the parametric half of what the pool believes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Discriminant:
    """Class scores `space @ weights + bias`; a softmax of them are probabilities.

    Attributes:
        weights: float32 [k, L].
        bias: float32 [L].
    """

    weights: FloatArray
    bias: FloatArray

    def logits(self, space: FloatArray) -> FloatArray:
        """Class scores float32 [n, L] of rows [n, k]."""
        scores: FloatArray = space @ self.weights + self.bias
        return scores


def fit_discriminant(
    space: FloatArray,
    soft_labels: FloatArray,
    second_moment: FloatArray,
    *,
    shrinkage: float = 0.1,
    prior_strength: float = 1.0,
) -> Discriminant:
    """Fisher's linear discriminant with soft class membership and one shared, shrunk covariance.

    The within-class covariance is what the second moment of the pool keeps once the class means are taken out, mixed
    with `shrinkage` of the identity (Ledoit and Wolf's target). One [k, L] product and one [k, k] solve: linear in n.

    Args:
        space: float32 [n, k].
        soft_labels: float32 [n, L], non-negative; rows may sum to less than 1 where little is known.
        second_moment: `space.T @ space / n`, float32 [k, k], kept between calls.
        shrinkage: share of the identity, [0, 1].
        prior_strength: pseudo-images at the pool's mean added to each class.
    """
    n, k = space.shape
    weight = soft_labels.sum(axis=0, dtype=np.float64)
    centre = space.mean(axis=0, dtype=np.float64)
    sums = (space.T @ soft_labels).T.astype(np.float64)
    means = (sums + prior_strength * centre) / (weight[:, None] + prior_strength)
    share = weight / max(weight.sum(), 1e-12)
    between = (means * share[:, None]).T @ means
    within = second_moment.astype(np.float64) - between
    within = (within + within.T) / 2
    scale = max(float(np.trace(within)) / k, 1e-9)
    within = (1.0 - shrinkage) * within + shrinkage * scale * np.eye(k)
    values, vectors = np.linalg.eigh(within)
    values = np.maximum(values, 0.05 * scale * shrinkage + 1e-9)
    weights = vectors @ ((vectors.T @ means.T) / values[:, None])
    bias = -0.5 * np.einsum("lk,kl->l", means, weights)
    return Discriminant(weights.astype(np.float32), bias.astype(np.float32))


def softmax(scores: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Row-wise softmax of scores [n, L]."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    shifted /= np.float32(temperature)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted
