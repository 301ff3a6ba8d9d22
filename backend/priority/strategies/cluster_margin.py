"""Ask where the two best guesses are closest, spread over clusters of such photos."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, candidate_rows, usable_space
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import best_scores, position_scores, round_robin


def cluster_margin(
    view: PoolView, rng: np.random.Generator, count: int, *, factor: int = 10, largest: int = 4000
) -> tuple[IntArray, FloatArray]:
    """Cluster-Margin: of the least certain photos, one at random from each cluster in turn, small clusters first.

    Formula: the `factor` · count photos with the largest 1 - (p1 - p2) (at most `largest`, at least count) are
        clustered by average linkage into count clusters; the score is the place, (count - i) / count for place i. The
        paper clusters the whole pool once, which takes O(n²); clustering the uncertain ones keeps the cost bounded.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n L + c² k) time, O(n + c²) memory, c the photos clustered.
    Paper: [8] Citovsky et al. 2021.
    """
    candidates = candidate_rows(view)
    wanted = batch_size(count, candidates.size)
    if wanted == 0:
        return np.empty(0, dtype=np.intp), position_scores(0)
    scores = measures.margin(view.probabilities[candidates])
    uncertain, _ = best_scores(scores, max(wanted, min(factor * wanted, largest)))
    uncertain.sort()
    groups = [uncertain]
    if 1 < wanted < uncertain.size <= largest:
        space = usable_space(view, candidates[uncertain])
        from sklearn.cluster import AgglomerativeClustering  # loads for seconds: only where it is used

        labels = AgglomerativeClustering(n_clusters=wanted, linkage="average").fit_predict(space)
        groups = [uncertain[labels == label] for label in range(wanted)]
        groups.sort(key=len)
    chosen = round_robin([rng.permutation(group) for group in groups], wanted)
    return candidates[chosen], position_scores(wanted)
