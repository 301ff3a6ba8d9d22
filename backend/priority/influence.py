"""Influence: how much of what the model is unsure about a label would settle, by the image's place in the pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.knn_graph import NeighbourIndex, without_self
from backend.priority.pool_view import FloatArray, IntArray, PoolView


def reach_matrix(view: PoolView, *, neighbours: int = 10) -> sparse.csr_matrix:
    """How far a label of one image speaks for another: csr float32 [n, n], symmetric, cosine on kNN edges, 1 on itself."""
    found, similarities = view.neighbours, view.similarities
    if found is None or similarities is None:
        index = NeighbourIndex.build(view.space, seed=view.rng_seed)
        own = np.arange(view.n, dtype=np.int32)
        found, similarities = without_self(*index.search(view.space, neighbours + 1), own, neighbours)
    n = view.n
    valid = (found >= 0) & (similarities > 0)
    sources = np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], found.shape)
    weights = np.minimum(similarities[valid], np.float32(1.0))
    directed = sparse.csr_matrix((weights, (sources[valid], found[valid])), shape=(n, n), dtype=np.float32)
    # Every row has its own entry, so that no row of the matrix is empty.
    reach: sparse.csr_matrix = (directed.maximum(directed.T) + sparse.identity(n, dtype=np.float32)).tocsr()
    return reach


class Influence:
    """Facility location over the graph, weighted by uncertainty.

    f(Q) = sum over images i of u_i max over q in annotated and Q of reach(q, i). One label in the middle of a crowd that the
    model is unsure about is worth most; images that an annotated or queued one already speaks for count less. The
    objective is monotone and submodular, so the gain of an image only shrinks while the queue grows.

    Attributes:
        covered: float32 [n] in [0, 1], the best reach from anything annotated or queued; novelty is 1 minus it.
    """

    def __init__(self, reach: sparse.csr_matrix, uncertainty: FloatArray, taken: IntArray) -> None:
        self._starts: NDArray[np.integer] = reach.indptr
        self._columns: NDArray[np.integer] = reach.indices
        self._reach: FloatArray = reach.data
        self._uncertainty = uncertainty
        self.covered: FloatArray = np.zeros(uncertainty.size, dtype=np.float32)
        for row in taken:
            self.take(int(row))

    def take(self, row: int) -> None:
        """Count an image as annotated or queued."""
        edges = slice(self._starts[row], self._starts[row + 1])
        columns = self._columns[edges]
        self.covered[columns] = np.maximum(self.covered[columns], self._reach[edges])

    def gain(self, row: int) -> float:
        """f(Q + row) - f(Q), at least 0."""
        edges = slice(self._starts[row], self._starts[row + 1])
        columns = self._columns[edges]
        news = self._reach[edges] - self.covered[columns]
        return float(np.maximum(news, 0.0) @ self._uncertainty[columns])

    def gains(self) -> FloatArray:
        """The gain of every image: float32 [n]."""
        out = np.zeros(self.covered.size, dtype=np.float32)
        step = 65_536
        for first in range(0, out.size, step):
            last = min(first + step, out.size)
            edges = slice(self._starts[first], self._starts[last])
            columns = self._columns[edges]
            news = np.maximum(self._reach[edges] - self.covered[columns], 0.0) * self._uncertainty[columns]
            out[first:last] = np.add.reduceat(news, self._starts[first:last] - self._starts[first])
        return out
