"""Ask where the two best guesses are closest, with every part of the pool represented by its size."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, in_digest_order, usable_space
from backend.priority.neighbourhood import cluster
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import best_scores


def informative_diverse(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """Informative and diverse: the least certain photos, each cluster of the pool with its share of the batch.

    Formula: as many k-means clusters as labels; a cluster with a share s of the pool may give ceil(s · count) photos,
        those with the largest 1 - (p1 - p2); the largest of them all form the batch.
    Range: [0, 1]; the score is that margin.
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n L k) time, O(n k) memory.
    Paper: [18] Nguyen & Smeulders 2004, the idea of pre-clustering; quotas as in Google's active-learning playground.
    """
    order = in_digest_order(view, np.arange(view.n))
    positions = np.flatnonzero(~view.labelled[order])
    wanted = batch_size(count, positions.size)
    if wanted == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
    labels, centres = cluster(usable_space(view, order), view.probabilities.shape[1], rng)
    quota = np.ceil(np.bincount(labels, minlength=centres.shape[0]) / order.size * wanted).astype(np.intp)
    scores = measures.margin(view.probabilities[order[positions]])
    ranked = np.argsort(-scores, kind="stable")
    within = _rank_within(labels[positions[ranked]])
    allowed = within < quota[labels[positions[ranked]]]
    # Clusters that are labelled almost everywhere leave places over; the least certain of the rest take them.
    spare = np.flatnonzero(~allowed)[: max(0, wanted - int(allowed.sum()))]
    allowed[spare] = True
    pool = ranked[allowed]
    chosen, best = best_scores(scores[pool], wanted)
    return order[positions[pool[chosen]]], best


def _rank_within(labels: IntArray) -> IntArray:
    """How many earlier entries have the same label: [5, 7, 5] -> [0, 0, 1]."""
    by_label = np.argsort(labels, kind="stable")
    grouped = labels[by_label]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    sizes = np.diff(np.r_[starts, grouped.size])
    ranks = np.empty(labels.size, dtype=np.intp)
    ranks[by_label] = np.arange(labels.size) - np.repeat(starts, sizes)
    return ranks
