"""Cover the pool: always the photo farthest from all that is labelled or queued."""

from __future__ import annotations

import numpy as np

from backend.priority.candidates import annotated_rows, batch_size, candidate_rows, usable_space
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import farthest_first, nearest_centre


def kcenter(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """Core-set: greedy k-centre with the annotated photos as centres.

    Formula: argmax over x of min over centres c of |x - c|² / 4, again and again; without any centre the photo nearest
        to the mean begins.
    Range: [0, 1]; for unit rows |x - c|² / 4 = (1 - cos) / 2, so 1 = opposite to every centre.
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O((m + count) n k) time, O(n k) memory, m annotated; nothing is drawn from `rng`.
    Paper: [4] Sener & Savarese 2018, its greedy form; the bound of twice the optimum is [5] Gonzalez 1985.
    """
    candidates = candidate_rows(view)
    wanted = batch_size(count, candidates.size)
    space = usable_space(view, candidates)
    distances = nearest_centre(space, usable_space(view, annotated_rows(view)))
    chosen, scores = farthest_first(space, wanted, distances)
    return candidates[chosen], scores
