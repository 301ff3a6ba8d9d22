"""Ask where the trained head would have to change most, in many different directions."""

from __future__ import annotations

import numpy as np

from backend.priority.candidates import batch_size, candidate_rows, usable_space
from backend.priority.measures import usable_probabilities
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import position_scores, spread_by_gradient


def badge(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """BADGE: k-means++ seeding on the gradients of the last layer, for the label the model itself would give.

    Formula: g(x) = (p - onehot(argmax p)) ⊗ x; first the longest g, then each drawn with probability proportional to
        its squared distance to the nearest g so far; the score is the place, (count - i) / count for place i.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(count n (L + k)) time, O(n (L + k)) memory: the L·k-long gradients are never written out.
    Paper: [6] Ash et al. 2020; k-means++ [7].
    """
    candidates = candidate_rows(view)
    wanted = batch_size(count, candidates.size)
    errors = usable_probabilities(view.probabilities[candidates])
    if errors.size:
        errors = errors.copy()
        errors[np.arange(candidates.size), errors.argmax(axis=1)] -= 1.0
    chosen = spread_by_gradient(errors, usable_space(view, candidates), wanted, rng)
    return candidates[chosen], position_scores(wanted)
