"""Influence: how much of what the model is unsure about a label would settle, by the image's place in the pool."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import sparse

from backend.learning.knn_graph import NeighbourIndex, drop_self
from backend.priority.pool_view import BoolArray, FloatArray, IntArray, PoolView

KEPT_UP_TO = 50_000
"""Pools up to this size keep the whole reach matrix; of larger ones its rows are made when they are asked for."""

_BLOCK = 4_096
_PIECE = 128
"""Rows that are looked at together: what they reach then fits into the processor's cache."""


class TwoSteps:
    """The steps of `Reach`, and their product where the pool is small: what of it no annotation and no option changes.

    Args:
        view: the pool.
        neighbours: edges of each image that count.
    """

    def __init__(self, view: PoolView, neighbours: int = 10) -> None:
        one_step = _one_step(view, neighbours)
        scale = 1.0 / np.sqrt(np.asarray(one_step.multiply(one_step).sum(axis=1)).ravel())
        self.n: int = view.n
        self.forth: sparse.csr_matrix = (sparse.diags(scale.astype(np.float32)) @ one_step).tocsr()
        self.back: sparse.csr_matrix = self.forth.T.tocsr()
        self.kept: sparse.csr_matrix | None = self.product(np.arange(self.n)) if self.n <= KEPT_UP_TO else None

    def product(self, rows: IntArray) -> sparse.csr_matrix:
        """The reach of each of `rows` [m] for every image: csr float32 [m, n]; no row is empty."""
        block = (self.forth[rows] @ self.back).tocsr()
        np.minimum(block.data, np.float32(1.0), out=block.data)
        return block


class Reach:
    """How far a label of one image speaks for another, over at most two steps of the kNN graph.

    With A the symmetric matrix of cosines on kNN edges and 1 on the diagonal, reach(i, j) = (A A)_ij / sqrt((A A)_ii (A
    A)_jj): the cosine between the neighbourhoods of i and j. [0, 1], 1 on the image itself and its copies. Two steps
    reach a whole small cluster where one step would see its nearest rim only, whatever the density of the pool.

    Args:
        view: the pool.
        neighbours: edges of each image that count.
        others: factor on what an image says of others; 0 = it speaks for itself only, which is plain uncertainty.
        narrowing: power of the reach, at least 1; the larger, the less an image says of others. A pool whose rows are
            made when they are asked for (`KEPT_UP_TO`) has 1.
        steps: those of this very view, from an earlier order; None: they are made.

    Attributes:
        at_once: how many rows are best asked for together.
    """

    def __init__(
        self,
        view: PoolView,
        *,
        neighbours: int = 10,
        others: float = 1.0,
        narrowing: float = 1.0,
        steps: TwoSteps | None = None,
    ) -> None:
        self._others = np.float32(others)
        self.narrowing: float = narrowing if view.n <= KEPT_UP_TO else 1.0
        self.n: int = view.n
        self._steps = steps or TwoSteps(view, neighbours)
        kept = self._steps.kept
        self._kept: sparse.csr_matrix | None = None if kept is None else self._weighed(kept, np.arange(self.n))
        self._bounds: list[int] = [] if self._kept is None else self._kept.indptr.tolist()
        self.at_once: int = _BLOCK if self._kept is None else _PIECE

    def _weighed(self, block: sparse.csr_matrix, rows: IntArray) -> sparse.csr_matrix:
        """`TwoSteps.product` of `rows` by the options; itself where they change nothing."""
        if self.narrowing == 1.0 and self._others == 1.0:
            return block
        data = block.data if self.narrowing == 1.0 else np.power(block.data, np.float32(self.narrowing))
        if self._others != 1.0:
            data = data * self._others
            own = block.indices == np.repeat(rows, np.diff(block.indptr))
            data[own] = 1.0
            np.minimum(data, np.float32(1.0), out=data)
        return sparse.csr_matrix((data, block.indices, block.indptr), shape=block.shape)

    def of(self, rows: IntArray) -> sparse.csr_matrix:
        """How far each of `rows` [m] speaks for every image: csr float32 [m, n]; no row is empty."""
        return self._weighed(self._steps.product(rows), rows) if self._kept is None else self._kept[rows]

    def entries(self, rows: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
        """What `of` says, as arrays of its own: the images reached int [e], how far float32 [e], where each row starts [m]."""
        if self._kept is None or not rows.size:
            made = self.of(rows)
            return made.indices.astype(np.intp), made.data, made.indptr[:-1].astype(np.intp)
        # Slices, one by one: much faster than scipy takes rows, whose checks cost more than the rows.
        bounds = self._bounds
        places = [slice(bounds[row], bounds[row + 1]) for row in rows.tolist()]
        indices, data = self._kept.indices, self._kept.data
        reached = np.concatenate([indices[place] for place in places], dtype=np.intp)
        starts = np.zeros(rows.size, dtype=np.intp)
        np.cumsum([place.stop - place.start for place in places[:-1]], out=starts[1:])
        return reached, np.concatenate([data[place] for place in places]), starts

    def total(self, weights: FloatArray) -> FloatArray:
        """Sum over all images of reach times weight, of each image: float32 [n]."""
        if self.narrowing != 1.0 and self._kept is not None:
            return np.asarray(self._kept @ weights, dtype=np.float32)
        return self._wide_total(weights)

    def _wide_total(self, weights: FloatArray) -> FloatArray:
        """`total` without narrowing: two products with a vector."""
        reached = self._steps.forth @ (self._steps.back @ weights)
        return np.asarray(weights + self._others * (reached - weights), dtype=np.float32)

    def typicality(self) -> FloatArray:
        """How many images one speaks for, over the largest of the pool: float32 [n] in [0, 1], 1 = the most typical.

        Without narrowing: a crowd stays a crowd however many labels there are.
        """
        totals = self._wide_total(np.ones(self.n, dtype=np.float32))
        totals -= totals.min(initial=np.inf) if self.n else 0.0
        largest = float(totals.max(initial=0.0))
        return totals / np.float32(largest) if largest > 0 else totals

    def near(self, touched: BoolArray) -> IntArray:
        """All images that reach one of `touched`, bool [n]."""
        return np.flatnonzero(self._steps.forth @ (self._steps.back @ touched.astype(np.float32)) > 0.0)


def _one_step(view: PoolView, neighbours: int) -> sparse.csr_matrix:
    found, similarities = view.neighbours, view.similarities
    if found is None or similarities is None:
        index = NeighbourIndex.build(view.space, seed=view.rng_seed)
        own = np.arange(view.n, dtype=np.int32)
        found, similarities = drop_self(*index.search(view.space, neighbours + 1), own, neighbours)
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

    f(Q) = sum over images i of u_i max over q in annotated and Q of reach(q, i). One label in the middle of a crowd
    that the model is unsure about is worth most; images that an annotated or queued one already speaks for count less.
    The objective is monotone and submodular, so the gain of an image only shrinks while the queue grows.

    Attributes:
        covered: float32 [n] in [0, 1], the best reach from anything annotated or queued.
    """

    def __init__(self, reach: Reach, uncertainty: FloatArray, taken: IntArray, *, novelty: float = 1.0) -> None:
        """`novelty` is the factor on what is covered already: 0 = crowds count however often they were asked about."""
        self._reach = reach
        self._novelty = np.float32(novelty)
        self._uncertainty = uncertainty
        self.covered: FloatArray = np.zeros(uncertainty.size, dtype=np.float32)
        self.take(taken)

    def novelty(self) -> FloatArray:
        """1 - the best reach, without narrowing, from anything annotated or queued: float32 [n] in [0, 1]."""
        return (1.0 - self.covered ** np.float32(1.0 / self._reach.narrowing)).astype(np.float32)

    def take(self, rows: IntArray) -> None:
        """Count images as annotated or queued."""
        for start in range(0, rows.size, _BLOCK):
            reached, reach, _ = self._reach.entries(rows[start : start + _BLOCK])
            np.maximum.at(self.covered, reached, reach)

    def gains(self, rows: IntArray | None = None) -> FloatArray:
        """f(Q + row) - f(Q), at least 0, of each of `rows` [m]: float32 [m]; None: of every image.

        Of images that speak for nothing covered it is a plain sum; only the rest is looked at.
        """
        if rows is not None:
            return self._looked_at(rows)
        gains = self._reach.total(self._uncertainty)
        if self._novelty > 0:
            near = self._reach.near(self.covered > 0)
            blocks = [near[start : start + _BLOCK] for start in range(0, near.size, _BLOCK)]
            if len(blocks) == 1:
                gains[near] = self._looked_at(near)
                return gains
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                for block, values in zip(blocks, threads.map(self._looked_at, blocks), strict=True):
                    gains[block] = values
        return gains

    def _looked_at(self, rows: IntArray) -> FloatArray:
        gains = np.empty(rows.size, dtype=np.float32)
        piece = self._reach.at_once
        for start in range(0, rows.size, piece):
            reached, news, starts = self._reach.entries(rows[start : start + piece])
            news -= self._novelty * self.covered[reached]
            np.maximum(news, 0.0, out=news)
            news *= self._uncertainty[reached]
            gains[start : start + piece] = np.add.reduceat(news, starts)
        return gains
