"""Ask where the neighbour graph is densest, but not beside what is labelled or queued."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from backend.priority.candidates import batch_size, in_digest_order, usable_space
from backend.priority.neighbourhood import Graph, pool_graph
from backend.priority.pool_view import FloatArray, IntArray, PoolView


def graph_density(
    view: PoolView, rng: np.random.Generator, count: int, *, neighbours: int = 10
) -> tuple[IntArray, FloatArray]:
    """Graph density: the node with the heaviest edges on average, which then takes its weight from its neighbours.

    Formula: W_ij = exp(-|x_i - x_j|² / (2 σ²)) on the symmetric graph of the `neighbours` nearest neighbours, σ² the
        mean of |x_i - x_j|² over its edges; Gra(i) = Σ_j W_ij / degree(i); once i is labelled or queued, Gra(j) -=
        Gra(i) for each neighbour j. The paper uses the Manhattan distance; in the whitened unit space the Euclidean one
        is meant.
    Range: [0, 1]; a node that lost more than it had counts as 0.
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n² k) time for the graph up to 60,000 photos unless the view has one, then O(count n); O(n neighbours)
        memory; nothing is drawn from `rng`.
    Paper: [15] Ebert et al. 2012.
    """
    order = in_digest_order(view, np.arange(view.n))
    unlabelled = ~view.labelled[order]
    wanted = batch_size(count, int(unlabelled.sum()))
    if wanted == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
    edges = gaussian_edges(pool_graph(view, order, usable_space(view, order), neighbours))
    indptr, indices = edges.indptr, edges.indices
    degree = np.maximum(np.diff(indptr), 1)
    density = np.asarray(edges.sum(axis=1)).ravel() / degree
    linked = edges.astype(bool).astype(np.float64)
    density -= linked @ np.where(unlabelled, 0.0, density)
    density[~unlabelled] = -np.inf
    chosen = np.empty(wanted, dtype=np.intp)
    scores = np.empty(wanted, dtype=np.float32)
    for place in range(wanted):
        pick = int(np.argmax(density))
        chosen[place], scores[place] = pick, density[pick]
        # A weight below nothing must not make its neighbours heavier.
        density[indices[indptr[pick] : indptr[pick + 1]]] -= max(density[pick], 0.0)
        density[pick] = -np.inf
    return order[chosen], np.clip(scores, 0.0, 1.0)


def gaussian_edges(graph: Graph) -> sparse.csr_matrix:
    """Symmetric csr float64 [n, n] of exp(-d² / (2 σ²)) in (0, 1] on every edge of the graph, without loops."""
    neighbours, similarities = graph
    n, count = neighbours.shape
    known = neighbours >= 0
    squared = np.clip(2.0 - 2.0 * similarities[known].astype(np.float64), 0.0, 4.0)
    scale = float(squared.mean()) if squared.size else 0.0
    weights = np.exp(-squared / (2.0 * scale)) if scale > 0.0 else np.ones_like(squared)
    sources = np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], (n, count))[known]
    directed = sparse.csr_matrix((weights, (sources, neighbours[known])), shape=(n, n))
    both: sparse.csr_matrix = directed.maximum(directed.T).tocsr()
    return both
