"""What a project may set about its order, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

from backend.errors import SettingsError, suggestion

COMPONENTS = ("uncertainty", "novelty", "unknown", "coverage", "typicality", "relevance")
"""The weighable components of the default order; each in [0, 1], 1 = label this sooner."""


@dataclass(frozen=True)
class OrderOptions:
    """Options of one ordering.

    Attributes:
        strategy: name of the query strategy (`default` or a key of `STRATEGIES`).
        window: how many places are chosen one by one, each knowing those before it; the rest follow by score.
        weights: factor of each component (`COMPONENTS`), 1 = as measured best, 0 = off; missing = 1.
        evaluation_share: share of the images kept as an unbiased evaluation sample, [0, 0.5].
        seed: seed of all that is drawn at random.
    """

    strategy: str = "default"
    window: int = 200
    weights: Mapping[str, float] = field(default_factory=dict)
    evaluation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.window, int) or isinstance(self.window, bool) or self.window < 1:
            raise SettingsError(f"window: must be a whole number of at least 1, not {self.window!r}")
        if not _is_number(self.evaluation_share) or not 0.0 <= self.evaluation_share <= 0.5:
            raise SettingsError(f"evaluation_share: must be a number from 0 to 0.5, not {self.evaluation_share!r}")
        if not isinstance(self.strategy, str):
            raise SettingsError(f"strategy: must be the name of a query strategy, not {self.strategy!r}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise SettingsError(f"seed: must be a whole number, not {self.seed!r}")
        if not isinstance(self.weights, Mapping):
            raise SettingsError(f"weights: must map a component to a number, not {self.weights!r}")
        for name, weight in self.weights.items():
            if name not in COMPONENTS:
                raise SettingsError(f"weights.{name}: unknown component{suggestion(name, COMPONENTS)}")
            if not _is_number(weight) or not 0.0 <= weight <= 100.0:
                raise SettingsError(f"weights.{name}: must be a number from 0 to 100, not {weight!r}")

    def weight(self, component: str) -> float:
        """Factor of a component, 1 where nothing was set."""
        return float(self.weights.get(component, 1.0))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value == value
