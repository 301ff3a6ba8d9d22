"""Ask for the photo in the middle of each cluster of uncertain photos."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, candidate_rows, usable_space
from backend.priority.neighbourhood import cluster
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import best_scores, position_scores, round_robin


def representative_cluster(
    view: PoolView, rng: np.random.Generator, count: int, *, factor: int = 10
) -> tuple[IntArray, FloatArray]:
    """Representative sampling: cluster the photos near the decision boundary, take the one nearest to each centre.

    Formula: the `factor` · count photos with the largest 1 - (p1 - p2) are clustered by k-means into count clusters;
        from each, largest cluster first, the photo with the least distance to the centre, in turn; the score is the
        place, (count - i) / count for place i.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n L + factor count² k) time, O(n + factor count k) memory.
    Paper: [14] Xu et al. 2003, with margins of probabilities in place of the margin of an SVM.
    """
    candidates = candidate_rows(view)
    wanted = batch_size(count, candidates.size)
    if wanted == 0:
        return np.empty(0, dtype=np.intp), position_scores(0)
    uncertain, _ = best_scores(measures.margin(view.probabilities[candidates]), factor * wanted)
    uncertain.sort()
    space = usable_space(view, candidates[uncertain])
    labels, centres = cluster(space, wanted, rng)
    away = np.square(space - centres[labels]).sum(axis=1)
    groups = []
    for label in range(centres.shape[0]):
        members = np.flatnonzero(labels == label)
        groups.append(uncertain[members[np.argsort(away[members], kind="stable")]])
    groups.sort(key=len, reverse=True)
    return candidates[round_robin(groups, wanted)], position_scores(wanted)
