"""The kNN graph of the pool: exact by FAISS for small pools; for large ones compressed, then compared exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float32]

EXACT_UP_TO = 60_000
"""Pools up to this size are searched exactly."""

LISTS_READ = 1 / 6
"""Share of the inverted lists that one search reads. With `REFINED` what keeps recall@15 above 0.9 on groups that
overlap; more of either finds more and takes longer (`python -m benchmarks.scaling` measures both)."""

REFINED = 16
"""Candidates of the compressed search that are compared exactly, for each neighbour wanted."""

_QUERY_CHUNK = 8_192
_ADD_CHUNK = 65_536
_ROWS_PER_LIST = 40
_CODES = 64  # axes from which on two share a code: more codes than that cost more than they tell


@dataclass
class NeighbourIndex:
    """A FAISS inner-product index over unit rows that grows.

    Up to `EXACT_UP_TO` rows it compares with every one. Beyond, rows are turned at random, so that every axis carries
    as much as any other, kept in inverted lists as 4 bits for each axis or two, and scanned in registers (André et al.,
    Quicker ADC, 2019); the best of the scan are compared exactly.
    """

    index: faiss.Index
    seed: int = 0

    @classmethod
    def build(cls, rows: FloatArray, *, seed: int = 0) -> NeighbourIndex:
        """Index rows float32 [n, k]."""
        n, width = rows.shape
        found = cls(faiss.IndexFlatIP(width) if n <= EXACT_UP_TO else _compressed(rows, seed), seed)
        found._append(rows)
        return found

    @property
    def exact(self) -> bool:
        """Whether a search compares with every row."""
        return isinstance(self.index, faiss.IndexFlat)

    def add(self, rows: FloatArray) -> None:
        """Append rows float32 [m, k]; the first that are too many to be searched exactly have all compressed."""
        if self.exact and self.index.ntotal + rows.shape[0] > EXACT_UP_TO:
            rows = np.concatenate([self.index.reconstruct_n(0, self.index.ntotal), rows])
            self.index = _compressed(rows, self.seed)
        self._append(rows)

    def _append(self, rows: FloatArray) -> None:
        for start in range(0, rows.shape[0], _ADD_CHUNK):
            self.index.add(np.ascontiguousarray(rows[start : start + _ADD_CHUNK]))

    def search(self, queries: FloatArray, count: int) -> tuple[NDArray[np.int32], FloatArray]:
        """Neighbours of queries [m, k]: int32 [m, count] rows, most similar first (-1: none), and cosines."""
        neighbours = np.full((queries.shape[0], count), -1, dtype=np.int32)
        similarities = np.zeros((queries.shape[0], count), dtype=np.float32)
        found = min(count, self.index.ntotal)
        if found == 0:
            return neighbours, similarities
        for start in range(0, queries.shape[0], _QUERY_CHUNK):
            block = np.ascontiguousarray(queries[start : start + _QUERY_CHUNK])
            values, rows = self.index.search(block, found)
            neighbours[start : start + _QUERY_CHUNK, :found] = rows
            similarities[start : start + _QUERY_CHUNK, :found] = np.where(rows >= 0, values, 0.0)
        return neighbours, similarities


def _compressed(rows: FloatArray, seed: int) -> faiss.Index:
    """An empty index for about as many rows as `rows` [n, k], trained on a sample of them."""
    n, width = rows.shape
    lists = int(2 ** np.round(np.log2(np.sqrt(n))))
    axes = 1 if width <= _CODES else 2
    codes = -(-width // axes)
    factory = f"RR{codes * axes},IVF{lists},PQ{codes}x4fs,RFlat"
    index: Any = faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
    index.k_factor = REFINED
    inverted = faiss.extract_index_ivf(index)
    inverted.nprobe = max(1, round(lists * LISTS_READ))
    inverted.cp.seed = 1234 + seed
    inverted.cp.niter = 8
    sample = rows
    if n > _ROWS_PER_LIST * lists:
        chosen = np.random.default_rng(seed).choice(n, size=_ROWS_PER_LIST * lists, replace=False)
        sample = rows[np.sort(chosen)]
    index.train(np.ascontiguousarray(sample))
    compressed: faiss.Index = index
    return compressed


def drop_self(
    neighbours: NDArray[np.int32], similarities: FloatArray, own: NDArray[np.integer], count: int
) -> tuple[NDArray[np.int32], FloatArray]:
    """Drop each row's own entry (or, where duplicates hid it, the last) and keep `count` neighbours."""
    is_own = neighbours == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    order = np.argsort(is_own, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(neighbours, order, axis=1), np.take_along_axis(similarities, order, axis=1)


def affinity(neighbours: NDArray[np.int32], similarities: FloatArray, *, power: float = 3.0) -> sparse.csr_matrix:
    """Symmetric affinity csr float32 [n, n]: max(0, cosine)^power on kNN edges, averaged over both directions."""
    n, count = neighbours.shape
    weights = np.maximum(similarities, 0.0) ** np.float32(power)
    valid = (neighbours >= 0) & (weights > 0.0)
    sources = np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], (n, count))
    directed = sparse.csr_matrix((weights[valid], (sources[valid], neighbours[valid])), shape=(n, n), dtype=np.float32)
    symmetric: sparse.csr_matrix = ((directed + directed.T) * np.float32(0.5)).tocsr()
    return symmetric


def normalised(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    """D^-1/2 W D^-1/2 of a symmetric affinity (Zhou et al., 2004); isolated rows stay empty."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    inverse = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    scaling = sparse.diags(inverse.astype(np.float32), format="csr", dtype=np.float32)
    scaled: sparse.csr_matrix = (scaling @ graph @ scaling).tocsr()
    return scaled


def join_neighbours(
    neighbours: NDArray[np.int32],
    similarities: FloatArray,
    new_neighbours: NDArray[np.int32],
    new_similarities: FloatArray,
) -> tuple[NDArray[np.int32], FloatArray]:
    """Append new rows [m, j] to a graph [n, j]; old rows that a new one is nearer to take it in for their farthest."""
    old, count = neighbours.shape
    neighbours = np.concatenate([neighbours, new_neighbours])
    similarities = np.concatenate([similarities, new_similarities])
    source, place = np.nonzero((new_neighbours >= 0) & (new_neighbours < old))
    target, cosine = new_neighbours[source, place], new_similarities[source, place]
    nearer = cosine > np.where(neighbours[target, -1] < 0, -np.inf, similarities[target, -1])
    source, target, cosine = source[nearer], target[nearer], cosine[nearer]
    # All edges of the rows that change, one after another, each row's best first.
    touched = np.unique(target)
    owners = np.concatenate([np.repeat(touched, count), target])
    others = np.concatenate([neighbours[touched].ravel(), (old + source).astype(np.int32)])
    values = np.concatenate([similarities[touched].ravel(), cosine])
    order = np.lexsort((np.where(others < 0, np.inf, -values), owners))
    owners, others, values = owners[order], others[order], values[order]
    first = np.searchsorted(owners, touched)
    rank = np.arange(owners.size) - np.repeat(first, np.diff(np.append(first, owners.size)))
    best = rank < count
    neighbours[owners[best], rank[best]] = others[best]
    similarities[owners[best], rank[best]] = values[best]
    return neighbours, similarities
