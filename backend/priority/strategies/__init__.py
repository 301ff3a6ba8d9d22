"""The registry of published query strategies.

A strategy is a pure function `(view, rng, count) -> (rows, scores)`: rows of the pool that nobody has annotated, best
first, and their scores in [0, 1], 1 = label sooner, non-increasing. The same view and generator state give the same
batch; permuting the pool permutes the batch with it (ties are settled by digest).

Adding one: a file of its own in this package, named like its function, and one line here; or, in a package of your own,
an entry point of the group `label_order.strategies`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backend import extensions
from backend.extensions import Registry
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.strategies.badge import badge
from backend.priority.strategies.bandit_mixture import bandit_mixture
from backend.priority.strategies.cluster_margin import cluster_margin
from backend.priority.strategies.entropy import entropy
from backend.priority.strategies.graph_density import graph_density
from backend.priority.strategies.hierarchical import hierarchical
from backend.priority.strategies.information_density import information_density
from backend.priority.strategies.informative_diverse import informative_diverse
from backend.priority.strategies.kcenter import kcenter
from backend.priority.strategies.least_confidence import least_confidence
from backend.priority.strategies.margin import margin
from backend.priority.strategies.prob_cover import prob_cover
from backend.priority.strategies.random import random
from backend.priority.strategies.ratio import ratio
from backend.priority.strategies.representative_cluster import representative_cluster
from backend.priority.strategies.typicality import typicality
from backend.priority.strategies.uherding import uherding

Strategy = Callable[[PoolView, np.random.Generator, int], tuple[IntArray, FloatArray]]

STRATEGIES: Mapping[str, Strategy] = Registry(
    extensions.STRATEGIES,
    {
        "random": random,
        "least_confidence": least_confidence,
        "margin": margin,
        "ratio": ratio,
        "entropy": entropy,
        "kcenter": kcenter,
        "typicality": typicality,
        "prob_cover": prob_cover,
        "badge": badge,
        "cluster_margin": cluster_margin,
        "information_density": information_density,
        "hierarchical": hierarchical,
        "informative_diverse": informative_diverse,
        "representative_cluster": representative_cluster,
        "graph_density": graph_density,
        "bandit_mixture": bandit_mixture,
        "uherding": uherding,
    },
)

__all__ = ["STRATEGIES", "Strategy"]
