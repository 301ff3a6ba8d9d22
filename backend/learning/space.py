"""The graph space: embeddings turned so that cosine means "looks alike" for photos nobody tuned for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_CHUNK = 16_384


@dataclass(frozen=True)
class Space:
    """A softly whitened principal-component projection.

    Attributes:
        mean: float32 [d], mean embedding of the pool.
        projection: float32 [d, k], principal axes, each divided by a power of its standard deviation.
    """

    mean: FloatArray
    projection: FloatArray

    @property
    def dimension(self) -> int:
        """Length k of the projected rows."""
        return int(self.projection.shape[1])

    def leading(self, dimension: int) -> Space:
        """The same space with its first `dimension` axes only."""
        return Space(self.mean, self.projection[:, :dimension])

    def project(self, embeddings: NDArray[np.floating]) -> FloatArray:
        """Unit rows float32 [n, k] of embeddings [n, d]; a row without direction (zero, NaN) becomes zeros."""
        projected = np.empty((embeddings.shape[0], self.dimension), dtype=np.float32)
        for start in range(0, embeddings.shape[0], _CHUNK):
            block = finite_rows(embeddings[start : start + _CHUNK])
            projected[start : start + _CHUNK] = unit_rows(
                np.asarray((block - self.mean) @ self.projection, dtype=np.float32)
            )
            empty = ~block.any(axis=1)
            projected[start : start + _CHUNK][empty] = 0.0
        return projected


def fit_space(
    embeddings: NDArray[np.floating],
    *,
    dimension: int = 256,
    whitening: float = 0.5,
    sample: int = 50_000,
    seed: int = 0,
) -> Space:
    """Fit the projection on (a sample of) the pool's embeddings [n, d].

    Axis i is scaled by (variance_i + shrinkage)^(-whitening / 2): 0 is plain PCA, 1 full whitening. Soft whitening
    keeps the directions that carry most variance from hiding those that tell classes apart, without blowing up noise.
    """
    n, width = embeddings.shape
    rows: NDArray[np.intp] = np.arange(n)
    if n > sample:
        rows = np.sort(np.random.default_rng(seed).choice(n, size=sample, replace=False))
    total = np.zeros(width, dtype=np.float64)
    second = np.zeros((width, width), dtype=np.float64)
    count = 0
    for start in range(0, rows.size, _CHUNK):
        block = finite_rows(embeddings[rows[start : start + _CHUNK]])
        block = block[block.any(axis=1)]
        total += block.sum(axis=0, dtype=np.float64)
        second += block.T @ block
        count += block.shape[0]
    if count < 2:
        return Space(np.zeros(width, np.float32), np.eye(width, min(width, dimension), dtype=np.float32))
    mean = total / count
    covariance = second / count - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    kept = min(dimension, width, max(1, count - 1))
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    values = np.maximum(values, 0.0)
    # The sign of an eigenvector is arbitrary; fix it, so that every machine agrees.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
    shrinkage = max(1e-3 * float(values.mean()), 1e-12)
    scale = (values + shrinkage) ** (-whitening / 2)
    return Space(mean.astype(np.float32), (vectors * (signs * scale)).astype(np.float32))


def finite_rows(block: NDArray[np.floating]) -> FloatArray:
    """The block as float32, rows with any NaN or infinity as zeros."""
    rows = np.asarray(block, dtype=np.float32)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        rows = rows.copy()
        rows[bad] = 0.0
    return rows


def unit_rows(rows: FloatArray) -> FloatArray:
    """Rows scaled to length 1; zero rows stay zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: FloatArray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 1e-12)
    return scaled
