"""Influence: how much of what the model is unsure about a label would settle, by the image's place in the pool."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.knn_graph import NeighbourIndex, without_self
from backend.priority.pool_view import BoolArray, FloatArray, IntArray, PoolView

KEPT_UP_TO = 50_000
"""Pools up to this size keep the whole reach matrix; of larger ones its rows are made when they are asked for."""

_BLOCK = 16_384


class Reach:
    """How far a label of one image speaks for another, over at most two steps of the kNN graph.

    With A the symmetric matrix of cosines on kNN edges and 1 on the diagonal, reach(i, j) = (A A)_ij / sqrt((A A)_ii (A A)_jj):
    the cosine between the neighbourhoods of i and j. [0, 1], 1 on the image itself and its copies. Two steps reach a
    whole small cluster where one step would see its nearest rim only, whatever the density of the pool.

    Args:
        view: the pool.
        neighbours: edges of each image that count.
        others: factor on what an image says of others; 0 = it speaks for itself only, which is plain uncertainty.
    """

    def __init__(self, view: PoolView, *, neighbours: int = 10, others: float = 1.0) -> None:
        self._others = np.float32(others)
        one_step = _one_step(view, neighbours)
        scale = 1.0 / np.sqrt(np.asarray(one_step.multiply(one_step).sum(axis=1)).ravel())
        self.n: int = view.n
        self._steps: sparse.csr_matrix = (sparse.diags(scale.astype(np.float32)) @ one_step).tocsr()
        self._steps_back: sparse.csr_matrix = self._steps.T.tocsr()
        self._kept: sparse.csr_matrix | None = self._product(0, self.n) if self.n <= KEPT_UP_TO else None

    def _product(self, first: int, last: int) -> sparse.csr_matrix:
        return self._limited((self._steps[first:last] @ self._steps_back).tocsr(), np.arange(first, last))

    def _limited(self, block: sparse.csr_matrix, rows: IntArray) -> sparse.csr_matrix:
        if self._others != 1.0:
            block.data *= self._others
            own = block.indices == np.repeat(rows, np.diff(block.indptr))
            block.data[own] = 1.0
        np.minimum(block.data, np.float32(1.0), out=block.data)
        return block

    def row(self, row: int) -> tuple[NDArray[np.integer], FloatArray]:
        """Images that one speaks for, and how far: int [m] and float32 [m]."""
        block = self._kept if self._kept is not None else self._product(row, row + 1)
        place = row if self._kept is not None else 0
        edges = slice(block.indptr[place], block.indptr[place + 1])
        return block.indices[edges], block.data[edges]

    def total(self, weights: FloatArray) -> FloatArray:
        """Sum over all images of reach times weight, of each image: float32 [n]; two products with a vector."""
        reached = self._steps @ (self._steps_back @ weights)
        return np.asarray(weights + self._others * (reached - weights), dtype=np.float32)

    def crowd(self) -> FloatArray:
        """How many images one speaks for, over the largest of the pool: float32 [n] in [0, 1], 1 = the most typical."""
        totals = self.total(np.ones(self.n, dtype=np.float32))
        totals -= totals.min(initial=np.inf) if self.n else 0.0
        largest = float(totals.max(initial=0.0))
        return totals / np.float32(largest) if largest > 0 else totals

    def blocks(self, touching: BoolArray) -> Iterator[tuple[IntArray, sparse.csr_matrix]]:
        """(rows, those rows of the matrix), for all images that reach one of `touching`, bool [n]; no row is empty."""
        near = self._steps @ (self._steps_back @ touching.astype(np.float32)) > 0.0
        rows = np.flatnonzero(near)
        for start in range(0, rows.size, _BLOCK):
            part = rows[start : start + _BLOCK]
            if self._kept is not None:
                yield part, self._kept[part]
            else:
                yield part, self._limited((self._steps[part] @ self._steps_back).tocsr(), part)


def _one_step(view: PoolView, neighbours: int) -> sparse.csr_matrix:
    found, similarities = view.neighbours, view.similarities
    if found is None or similarities is None:
        index = NeighbourIndex.build(view.space, seed=view.rng_seed)
        own = np.arange(view.n, dtype=np.int32)
        found, similarities = without_self(*index.search(view.space, neighbours + 1), own, neighbours)
    n = view.n
    found, similarities = found[:, :neighbours], similarities[:, :neighbours]
    valid = (found >= 0) & (similarities > 0)
    sources = np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], found.shape)
    weights = np.minimum(similarities[valid], np.float32(1.0)).astype(np.float32)
    directed = sparse.csr_matrix((weights, (sources[valid], found[valid])), shape=(n, n), dtype=np.float32)
    both: sparse.csr_matrix = (directed.maximum(directed.T) + sparse.identity(n, dtype=np.float32)).tocsr()
    return both


class Influence:
    """Facility location over the graph, weighted by uncertainty.

    f(Q) = sum over images i of u_i max over q in annotated and Q of reach(q, i). One label in the middle of a crowd that the
    model is unsure about is worth most; images that an annotated or queued one already speaks for count less. The
    objective is monotone and submodular, so the gain of an image only shrinks while the queue grows.

    Attributes:
        covered: float32 [n] in [0, 1], the best reach from anything annotated or queued; novelty is 1 minus it.
    """

    def __init__(self, reach: Reach, uncertainty: FloatArray, taken: IntArray, *, novelty: float = 1.0) -> None:
        """`novelty` is the factor on what is covered already: 0 = crowds count however often they were asked about."""
        self._reach = reach
        self._novelty = np.float32(novelty)
        self._uncertainty = uncertainty
        self.covered: FloatArray = np.zeros(uncertainty.size, dtype=np.float32)
        for row in taken:
            self.take(int(row))

    def take(self, row: int) -> None:
        """Count an image as annotated or queued."""
        columns, values = self._reach.row(row)
        self.covered[columns] = np.maximum(self.covered[columns], values)

    def gain(self, row: int) -> float:
        """f(Q + row) - f(Q), at least 0."""
        columns, values = self._reach.row(row)
        news = values - self._novelty * self.covered[columns]
        return float(np.maximum(news, 0.0) @ self._uncertainty[columns])

    def gains(self) -> FloatArray:
        """The gain of every image: float32 [n]. Where nothing is covered it is a plain sum; the rest is looked at."""
        gains = self._reach.total(self._uncertainty)
        if self._novelty > 0:
            for rows, block in self._reach.blocks(self.covered > 0):
                news = block.data - self._novelty * self.covered[block.indices]
                np.maximum(news, 0.0, out=news)
                news *= self._uncertainty[block.indices]
                gains[rows] = np.add.reduceat(news, block.indptr[:-1])
        return gains
