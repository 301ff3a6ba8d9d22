"""How the pool's graph is made: its space, its neighbours, how far labels travel on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backend.learning.evidence import STRENGTH

MAX_AXES = 1024
"""Most principal components that a pool is given."""

MAX_FEATURES = 2.56e8
"""Most numbers in the features of a pool (1 GB)."""


@dataclass(frozen=True)
class GraphOptions:
    """How the pool's graph is made and used; the defaults are what measured best over random subsets of classes.

    Attributes:
        dimension: principal components kept; None: as many as the pool's size tells apart (`dimension_for`).
        whitening: how far their variances are evened out, [0, 1].
        graph_dimension: leading components that the graph looks at; None: half of them.
        neighbours: edges of each image.
        affinity_power: exponent of the cosine on an edge.
        alpha: how far labels travel, (0, 1).
        iterations: most spreading steps.
        prior_alpha: how far the prior travels, (0, 1).
        prior_strength: annotations of a label that its prior counts for.
        label_trust: weight of an annotated image against a confident spread label in the linear half.
    """

    dimension: int | None = None
    whitening: float = 0.5
    graph_dimension: int | None = None
    neighbours: int = 10
    affinity_power: float = 3.0
    alpha: float = 0.9
    iterations: int = 40
    prior_alpha: float = 0.7
    prior_strength: float = STRENGTH
    label_trust: float = 5.0


def dimension_for(n: int) -> int:
    """Principal components that a pool of n images supports, [64, 1024]: 8.75 √n.

    256 were best for 900 photos and 1,024 for 13,572: axes of small variance are noise until there are photos enough to
    tell (docs/measurements.md). Beyond 250,000 images memory sets the limit: features of at most 1 GB.
    """
    wanted = min(8.75 * math.sqrt(max(n, 1)), MAX_AXES, MAX_FEATURES / max(n, 1))
    return max(64, round(wanted))
