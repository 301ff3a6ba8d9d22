"""The prior, evened out over the pool's graph: neighbours share what they know before any annotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.learning.probabilities import normalise_rows, tells_photos_apart
from backend.learning.propagation import SpreadingGraph

FloatArray = NDArray[np.float32]

PRIOR_BALANCE = 0.75
"""How far the prior's labels are made equally common over the pool: 0 = left alone, 1 = wholly. Wholly names more
photos rightly before any annotation, and fewer after ten (docs/ordering.md)."""

ITERATIONS = 15


def evened_prior(graph: SpreadingGraph, prior: FloatArray, *, alpha: float) -> FloatArray:
    """The prior float32 [n, L] after neighbours shared it: float32 [n, L], rows sum to 1.

    Columns are divided by a power of their mass (`PRIOR_BALANCE`), so that a few labels that the prior sees everywhere
    do not swallow the others. A prior that says the same of every photo stays what it is.

    Args:
        prior: float32 [n, L], rows sum to 1.
        alpha: how far it travels, (0, 1).
    """
    if not tells_photos_apart(prior):
        return prior
    mass = graph.spread(prior, alpha=alpha, iterations=ITERATIONS)
    return normalise_rows(mass / np.maximum(mass.sum(axis=0), 1e-6) ** PRIOR_BALANCE, otherwise=prior)
