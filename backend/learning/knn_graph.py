"""The kNN graph of the pool: exact by FAISS for small pools, inverted lists for large ones."""

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

_QUERY_CHUNK = 8_192


@dataclass
class NeighbourIndex:
    """A FAISS inner-product index over unit rows that grows."""

    index: faiss.Index

    @classmethod
    def build(cls, rows: FloatArray, *, seed: int = 0) -> NeighbourIndex:
        """Index rows float32 [n, k]."""
        n, width = rows.shape
        index: Any
        if n <= EXACT_UP_TO:
            index = faiss.IndexFlatIP(width)
        else:
            lists = int(2 ** np.round(np.log2(2.0 * np.sqrt(n))))
            quantizer: Any = faiss.IndexFlatIP(width)
            index = faiss.IndexIVFFlat(quantizer, width, lists, faiss.METRIC_INNER_PRODUCT)
            index.own_fields = True
            quantizer.this.disown()
            index.cp.seed = 1234 + seed
            index.cp.niter = 8
            train = rows
            if n > 40 * lists:
                train = rows[np.sort(np.random.default_rng(seed).choice(n, size=40 * lists, replace=False))]
            index.train(np.ascontiguousarray(train))
            index.nprobe = max(16, lists // 64)
        found = cls(index)
        found.add(rows)
        return found

    def add(self, rows: FloatArray) -> None:
        """Append rows float32 [m, k]."""
        for start in range(0, rows.shape[0], 65_536):
            self.index.add(np.ascontiguousarray(rows[start : start + 65_536]))

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


def without_self(
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
    to_old = (new_neighbours >= 0) & (new_neighbours < old)
    source, place = np.nonzero(to_old)
    target = new_neighbours[source, place]
    cosine = new_similarities[source, place]
    farthest = np.where(neighbours[target, -1] < 0, -np.inf, similarities[target, -1])
    nearer = cosine > farthest
    touched = np.unique(target[nearer])
    for row in touched:
        mine = nearer & (target == row)
        rows = np.concatenate([neighbours[row], (old + source[mine]).astype(np.int32)])
        values = np.concatenate([similarities[row], cosine[mine]])
        best = np.argsort(np.where(rows < 0, np.inf, -values), kind="stable")[:count]
        neighbours[row], similarities[row] = rows[best], values[best]
    return neighbours, similarities
