"""Ask where the model is unsure and many other photos are alike."""

from __future__ import annotations

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, candidate_rows, usable_space
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import best_scores


def information_density(
    view: PoolView, rng: np.random.Generator, count: int, *, beta: float = 1.0
) -> tuple[IntArray, FloatArray]:
    """Information density: uncertainty weighted by likeness to the rest of the unlabelled pool.

    Formula: entropy(x) · density(x)^`beta`, entropy = -Σ p log p / log L, density = mean over the unlabelled pool of
        (1 + cos) / 2.
    Range: [0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n (L + k)); nothing is drawn from `rng`.
    Paper: [12] Settles & Craven 2008.
    """
    candidates = candidate_rows(view)
    space = usable_space(view, candidates)
    density = measures.mean_similarity(space, space)
    scores = measures.entropy(view.probabilities[candidates]) * density ** np.float32(beta)
    chosen, best = best_scores(scores, batch_size(count, candidates.size))
    return candidates[chosen], best
