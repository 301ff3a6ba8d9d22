"""Ask where the model trusts its best guess least."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, candidate_rows
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import best_scores


def least_confidence(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """Ask where the model trusts its best guess least.

    Formula: (1 - p1) · L / (L - 1), of the view's probabilities (p1, p2 the two largest, L labels).
    Range: [0, 1]; 1 = uniform belief.
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n L); nothing is drawn from `rng`.
    Paper: [1] Lewis & Gale 1994.
    """
    candidates = candidate_rows(view)
    scores = measures.least_confidence(view.probabilities[candidates])
    chosen, best = best_scores(scores, batch_size(count, candidates.size))
    return candidates[chosen], best
