"""Clusters and neighbours of the pool, as the strategies need them: exact where that is cheap, bounded elsewhere."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from backend.learning.knn_graph import EXACT_UP_TO, NeighbourIndex, drop_self
from backend.priority.pool_view import FloatArray, IntArray, PoolView

Graph = tuple[NDArray[np.int32], FloatArray]

_SAMPLES_SEEN = 200_000


def cluster(space: FloatArray, clusters: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Mini-batch k-means [21] with a fixed number of steps, so that threads cannot change the result.

    Args:
        space: float32 [n, k].
        clusters: how many; with n rows or fewer every row is a cluster.
        rng: draws the seed.

    Returns:
        Cluster of each row, int [n], and the centres, float32 [clusters, k]. Clusters may be empty.

    Cost: O(n clusters k) time, O(n + clusters k) memory.
    """
    n = space.shape[0]
    seed = int(rng.integers(2**31 - 1))
    if clusters >= n:
        return np.arange(n), space.copy()
    if clusters <= 1:
        return np.zeros(n, dtype=np.intp), space.mean(axis=0, keepdims=True)
    from sklearn.cluster import MiniBatchKMeans  # loads for seconds: only where it is used

    model = MiniBatchKMeans(
        n_clusters=clusters,
        batch_size=max(1024, 4 * clusters),
        max_iter=int(np.clip(math.ceil(_SAMPLES_SEEN / n), 1, 10)),
        max_no_improvement=None,
        n_init=1,
        random_state=seed,
    )
    labels = model.fit_predict(space)
    return np.asarray(labels, dtype=np.intp), np.asarray(model.cluster_centers_, dtype=np.float32)


def pool_graph(view: PoolView, order: IntArray, space: FloatArray, count: int) -> Graph:
    """The `count` nearest neighbours of each row, by position in `order`.

    The view's own graph is used where it holds enough neighbours, or where the pool is too large to search anew.

    Args:
        view: the pool.
        order: all n rows in digest order.
        space: float32 [n, k], the view's space in that order.
        count: neighbours of each row.

    Returns:
        int32 [n, j] positions in `order`, most similar first, -1 = none, and float32 [n, j] cosines; j <= count.
    """
    known = 0 if view.neighbours is None else view.neighbours.shape[1]
    large = order.size > EXACT_UP_TO and known > 0
    if view.neighbours is not None and view.similarities is not None and (known >= count or large):
        position = np.empty(order.size + 1, dtype=np.int32)
        position[order] = np.arange(order.size, dtype=np.int32)
        position[-1] = -1
        kept = min(count, known)
        return position[view.neighbours[order, :kept]], view.similarities[order, :kept]
    count = min(count, order.size - 1)
    neighbours, similarities = NeighbourIndex.build(space).search(space, count + 1)
    return drop_self(neighbours, similarities, np.arange(order.size), count)


def distances_within(space: FloatArray, count: int, *, references: int = 4096) -> FloatArray:
    """Squared Euclidean distances of each row to its `count` nearest others, float32 [n, min(count, n - 1)].

    With more than `references` rows, every so-many-th row stands for all of them: O(n references k) time.
    """
    n = space.shape[0]
    count = min(count, n - 1)
    if count < 1:
        return np.empty((n, 0), dtype=np.float32)
    stride = math.ceil(n / references)
    chosen = np.arange(0, n, stride)
    count = min(count, max(1, chosen.size - 1))
    neighbours, similarities = NeighbourIndex.build(space[chosen]).search(space, min(count + 1, chosen.size))
    # Rows are named by their place in the whole, so that each can leave itself out.
    named = np.where(neighbours >= 0, neighbours * stride, -1).astype(np.int32)
    named, similarities = drop_self(named, similarities, np.arange(n), count)
    norms = np.einsum("ij,ij->i", space, space)
    squared = norms[:, None] + norms[np.maximum(named, 0)] - 2.0 * similarities
    nearest: FloatArray = np.maximum(squared, 0.0).astype(np.float32)
    return nearest
