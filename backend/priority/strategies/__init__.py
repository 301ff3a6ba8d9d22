"""The registry of published query strategies.

A strategy is a pure function `(view, rng, count) -> (rows, scores)`: rows of the pool that nobody has annotated, best
first, and their scores in [0, 1], 1 = label sooner, non-increasing. The same view and generator state give the same
batch; permuting the pool permutes the batch with it (ties are settled by digest).

Adding one: a file of its own in this package, named like its function, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.strategies.entropy import entropy
from backend.priority.strategies.least_confidence import least_confidence
from backend.priority.strategies.margin import margin
from backend.priority.strategies.random import random
from backend.priority.strategies.ratio import ratio

Strategy = Callable[[PoolView, np.random.Generator, int], tuple[IntArray, FloatArray]]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "random": random,
        "least_confidence": least_confidence,
        "margin": margin,
        "ratio": ratio,
        "entropy": entropy,
    }
)

__all__ = ["STRATEGIES", "Strategy"]
