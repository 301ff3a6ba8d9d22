"""Ask for the photo whose neighbourhood covers most of what no label covers yet."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from backend.priority.candidates import batch_size, in_digest_order, usable_space
from backend.priority.neighbourhood import Graph, cluster, pool_graph
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import greedy_cover


def prob_cover(
    view: PoolView, rng: np.random.Generator, count: int, *, purity: float = 0.95, neighbours: int = 64
) -> tuple[IntArray, FloatArray]:
    """ProbCover: greedy maximum coverage by balls of one radius.

    Formula: the radius is the largest for which a share `purity` of the balls holds one k-means cluster only (as many
        clusters as labels); then, again and again, the photo whose ball holds the most photos in no ball so far. A
        ball keeps its `neighbours` nearest photos, both ways. The score is that number over the largest ball.
    Range: [0, 1]; 0 = everything near is covered (then by digest).
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n² k) time for the graph up to 60,000 photos, beyond that the view's own graph; O(n neighbours) memory.
    Paper: [10] Yehuda et al. 2022; greedy coverage [23].
    """
    order = in_digest_order(view, np.arange(view.n))
    unlabelled = ~view.labelled[order]
    wanted = batch_size(count, int(unlabelled.sum()))
    if wanted == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
    space = usable_space(view, order)
    graph = pool_graph(view, order, space, neighbours)
    labels, _ = cluster(space, max(2, view.probabilities.shape[1]), rng)
    chosen, scores = greedy_cover(balls(graph, pure_radius(graph, labels, purity)), wanted, unlabelled)
    return order[chosen], scores


def pure_radius(graph: Graph, labels: IntArray, purity: float) -> float:
    """The largest radius (cosine distance) at which a share `purity` of all open balls is of one cluster.

    A row whose neighbours all share its cluster is pure at any radius; with enough of those the radius is infinite.
    """
    neighbours, similarities = graph
    distance = np.clip(1.0 - similarities, 0.0, 2.0)
    foreign = (neighbours >= 0) & (labels[np.maximum(neighbours, 0)] != labels[:, None])
    limit = np.sort(np.where(foreign, distance, np.inf).min(axis=1, initial=np.inf))
    return float(limit[min(int((1.0 - purity) * limit.size), limit.size - 1)])


def balls(graph: Graph, radius: float) -> sparse.csr_matrix:
    """Bool csr [n, n], symmetric: row i holds the photos nearer than `radius` to photo i, and itself."""
    neighbours, similarities = graph
    n, count = neighbours.shape
    near = (neighbours >= 0) & (1.0 - similarities < radius)
    sources = np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], (n, count))[near]
    directed = sparse.csr_matrix((np.ones(sources.size, dtype=bool), (sources, neighbours[near])), shape=(n, n))
    both: sparse.csr_matrix = (directed + directed.T + sparse.identity(n, dtype=bool, format="csr")).tocsr()
    return both
