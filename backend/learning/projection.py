"""The projection that the graph lives in: embeddings turned so that cosine means "looks alike" for any photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_CHUNK = 16_384
_WIDE = 600  # axes from which on the leading ones are looked for without the others
_ITERATIONS = 3


@dataclass(frozen=True)
class Projection:
    """A softly whitened principal-component projection.

    Attributes:
        mean: float32 [d], mean embedding of the pool.
        matrix: float32 [d, k], principal axes, each divided by a power of its standard deviation.
    """

    mean: FloatArray
    matrix: FloatArray

    @property
    def dimension(self) -> int:
        """Length k of the projected rows."""
        return int(self.matrix.shape[1])

    def project(self, embeddings: NDArray[np.floating]) -> FloatArray:
        """Unit rows float32 [n, k] of embeddings [n, d]; a row without direction (zero, NaN) becomes zeros."""
        projected = np.empty((embeddings.shape[0], self.dimension), dtype=np.float32)
        for start in range(0, embeddings.shape[0], _CHUNK):
            block = finite_rows(embeddings[start : start + _CHUNK])
            projected[start : start + _CHUNK] = unit_rows(
                np.asarray((block - self.mean) @ self.matrix, dtype=np.float32)
            )
            empty = ~block.any(axis=1)
            projected[start : start + _CHUNK][empty] = 0.0
        return projected


def fit_projection(
    embeddings: NDArray[np.floating],
    *,
    dimension: int = 256,
    whitening: float = 0.5,
    sample: int = 50_000,
    seed: int = 0,
) -> Projection:
    """Fit the projection on (a sample of) the pool's embeddings [n, d].

    Axis i is scaled by (variance_i + shrinkage)^(-whitening / 2): 0 is plain PCA, 1 full whitening. Soft whitening
    keeps the directions that carry most variance from hiding those that tell classes apart, without blowing up noise.
    """
    n, width = embeddings.shape
    rows: NDArray[np.intp] = np.arange(n)
    if n > sample:
        rows = np.sort(np.random.default_rng(seed).choice(n, size=sample, replace=False))
    mean, count = _mean(embeddings, rows)
    if count < 2:
        return Projection(np.zeros(width, np.float32), np.eye(width, min(width, dimension), dtype=np.float32))
    kept = min(dimension, width, max(1, count - 1))
    if count <= width:
        values, vectors = _axes_of_few(embeddings, rows, mean, kept, seed)
    else:
        values, vectors = _leading_axes(_covariance(embeddings, rows, mean, count), kept, seed)
    # The sign of an eigenvector is arbitrary; fix it, so that every machine agrees.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
    shrinkage = max(1e-3 * float(values.mean()), 1e-12)
    scale = (values + shrinkage) ** (-whitening / 2)
    return Projection(mean.astype(np.float32), (vectors * (signs * scale)).astype(np.float32))


def _blocks(embeddings: NDArray[np.floating], rows: NDArray[np.intp]) -> Iterator[FloatArray]:
    """The rows that have a direction, as float32, some at a time."""
    for start in range(0, rows.size, _CHUNK):
        block = finite_rows(embeddings[rows[start : start + _CHUNK]])
        yield block[block.any(axis=1)]


def _mean(embeddings: NDArray[np.floating], rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], int]:
    total, count = np.zeros(embeddings.shape[1], dtype=np.float64), 0
    for block in _blocks(embeddings, rows):
        total += block.sum(axis=0, dtype=np.float64)
        count += block.shape[0]
    return total / max(count, 1), count


def _covariance(
    embeddings: NDArray[np.floating], rows: NDArray[np.intp], mean: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    second = np.zeros((mean.size, mean.size), dtype=np.float64)
    for block in _blocks(embeddings, rows):
        centred = block - mean.astype(np.float32)
        second += centred.T @ centred
    return second / count


def _axes_of_few(
    embeddings: NDArray[np.floating], rows: NDArray[np.intp], mean: NDArray[np.float64], kept: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances [k] and principal axes [d, k] of fewer rows than dimensions, by their inner products."""
    centred = np.concatenate(list(_blocks(embeddings, rows))) - mean.astype(np.float32)
    # What the search for axes starts from turns with the rows, so that their order changes no axis.
    values, vectors = _leading_axes(centred @ centred.T, kept, seed, seen_by=centred)
    lengths = np.sqrt(np.maximum(values, 1e-12 * max(float(values[0]), 1e-12)))
    return values / centred.shape[0], (centred.T @ vectors) / lengths


def _leading_axes(
    matrix: NDArray[np.floating], kept: int, seed: int, *, seen_by: FloatArray | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest eigenvalues [k] of a symmetric matrix [d, d], largest first, and their vectors [d, k].

    All of them where most are wanted; else by subspace iteration (Halko et al., Finding structure with randomness,
    2011), which takes a fraction of the time where several networks make wide embeddings. It starts from random
    directions, or from those that the rows float32 [d, w] of `seen_by` have along random ones.
    """
    width = matrix.shape[0]
    if width <= _WIDE or 2 * kept > width:
        values, vectors = np.linalg.eigh(matrix.astype(np.float64))
        return np.maximum(values[::-1][:kept], 0.0), vectors[:, ::-1][:, :kept]
    matrix = matrix.astype(np.float32)
    wider = min(width, kept + max(16, kept // 10))
    drawn = width if seen_by is None else seen_by.shape[1]
    basis = np.random.default_rng(seed).normal(size=(drawn, wider)).astype(np.float32)
    basis = basis if seen_by is None else seen_by @ basis
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ basis)
    small = basis.T @ (matrix @ basis)
    values, turned = np.linalg.eigh(((small + small.T) / 2).astype(np.float64))
    axes = basis @ turned[:, ::-1][:, :kept].astype(np.float32)
    return np.maximum(values[::-1][:kept], 0.0), axes.astype(np.float64)


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
