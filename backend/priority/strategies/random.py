"""Ask at random: the baseline that every strategy has to beat."""

from __future__ import annotations

import numpy as np

from backend.priority.candidates import batch_size, candidate_rows
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import position_scores


def random(view: PoolView, rng: np.random.Generator, count: int) -> tuple[IntArray, FloatArray]:
    """Ask at random, without repetition.

    Formula: a uniform permutation of the unlabelled rows; the score is the place, (count - i) / count for place i.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n).
    Paper: [11] Settles 2009, the usual baseline ("passive learning").
    """
    candidates = candidate_rows(view)
    wanted = batch_size(count, candidates.size)
    return rng.permutation(candidates)[:wanted], position_scores(wanted)
