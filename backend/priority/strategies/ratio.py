"""Ask where the second best guess is nearly as probable as the best."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, candidate_rows
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import best_scores


def ratio(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """Ask where the second best guess is nearly as probable as the best.

    Formula: p2 / p1, of the view's probabilities (p1, p2 the two largest, L labels).
    Range: [0, 1]; 1 = the two best guesses are level.
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n L); nothing is drawn from `rng`.
    Paper: [1] the ratio form of uncertainty, surveyed in [11].
    """
    candidates = candidate_rows(view)
    scores = measures.ratio(view.probabilities[candidates])
    chosen, best = best_scores(scores, batch_size(count, candidates.size))
    return candidates[chosen], best
