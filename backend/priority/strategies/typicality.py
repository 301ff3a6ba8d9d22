"""Ask for the most typical photo of each part of the pool that nobody has labelled."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, in_digest_order, usable_space
from backend.priority.neighbourhood import cluster, distances_within
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import position_scores, round_robin


def typicality(
    view: PoolView,
    rng: np.random.Generator,
    count: int,
    *,
    neighbours: int = 20,
    max_clusters: int = 500,
    smallest: int = 5,
) -> tuple[IntArray, FloatArray]:
    """TypiClust: clusters with the fewest labels first, then the largest; from each the densest photo, in turn.

    Formula: min(annotated + count, `max_clusters`) clusters; within a cluster 1 / (1 + mean distance to the
        `neighbours` nearest members); clusters of fewer than `smallest` photos come last; the score is the place,
        (count - i) / count for place i.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n clusters k + Σ s² k) over the clusters drawn from, s their sizes (beyond 4,096 members density is taken
        against an even sample of them); O(n k) memory.
    Paper: [9] Hacohen et al. 2022; mini-batch k-means [21].
    """
    order = in_digest_order(view, np.arange(view.n))
    unlabelled = ~view.labelled[order]
    wanted = batch_size(count, int(unlabelled.sum()))
    if wanted == 0:
        return np.empty(0, dtype=np.intp), position_scores(0)
    space = usable_space(view, order)
    annotated = int(order.size - unlabelled.sum())
    labels, centres = cluster(space, min(annotated + wanted, max_clusters), rng)
    total = centres.shape[0]
    size = np.bincount(labels, minlength=total)
    free = np.bincount(labels[unlabelled], minlength=total)
    ranked = np.lexsort((np.arange(total), -size, size - free, size < smallest))
    positions = np.flatnonzero(unlabelled)
    members = np.split(positions[np.argsort(labels[positions], kind="stable")], np.cumsum(free)[:-1])
    groups = []
    for index in ranked[free[ranked] > 0][:wanted]:
        rows = members[index]
        near = min(neighbours, max(1, rows.size // 2))
        density = measures.typicality(distances_within(space[rows], near))
        groups.append(rows[np.argsort(-density, kind="stable")])
    chosen = round_robin(groups, wanted)
    return order[chosen], position_scores(wanted)
