"""The pool with its beliefs, as its users hold it: tried out, given other labels, carried to photos outside of it."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.learning.out_of_sample import around, from_neighbours, linear_arrays, mixture_arrays, with_mixture
from backend.learning.pool_beliefs import PoolBeliefs
from backend.learning.probabilities import geometric_mean, linear_weight, normalise_rows
from backend.learning.relevance import RelevanceHints

FloatArray = NDArray[np.float32]

EXTENSION_ROWS = 20_000
"""Most images of the pool that an exported extension carries."""


class PoolModel(PoolBeliefs):
    """What the pool believes (`PoolBeliefs`), and what follows from it for photos that are not in the pool."""

    def fork(self) -> Self:
        """The same pool, so that annotations can be tried out without changing this one; arrays are shared."""
        return copy(self)

    def with_labels(
        self,
        prior: FloatArray,
        hints: RelevanceHints | None,
        *,
        smoothed: FloatArray | None = None,
        crowd_prior: FloatArray | None = None,
        smoothed_crowds: FloatArray | None = None,
        depicted: NDArray[np.bool_] | None = None,
    ) -> PoolModel:
        """The same pool with other labels, of which nothing was said yet: their prior [n, L]; the graph is shared.

        Args:
            smoothed: the prior, evened out over the graph [n, L]; None: it is worked out when it is needed.
            crowd_prior: as of the constructor [n, L].
            smoothed_crowds: that one, evened out [n, L]; None: as `smoothed`.
            depicted: as of the constructor [L].
        """
        other = PoolModel.__new__(PoolModel)
        other.__dict__.update(self.__dict__)
        other.prior = normalise_rows(prior)
        other.crowd_prior = other._for_crowds(crowd_prior)
        other.depicted = depicted
        other.hints = hints if hints is not None and hints.used else None
        other._annotated, other._per_label = np.zeros(0, dtype=np.intp), 0.0
        other._forget()
        other._smoothed = None if smoothed is None else normalise_rows(smoothed)
        if other.crowd_prior is not None and smoothed_crowds is not None:
            other._smoothed_crowds = normalise_rows(smoothed_crowds)
        return other

    def extend(self, embeddings: NDArray[np.floating], prior: FloatArray) -> FloatArray:
        """Probabilities float32 [m, L] of images outside the pool, from the last `propagate`."""
        return self.extend_projected(self.projection.project(embeddings), prior)

    def extend_projected(self, features: FloatArray, prior: FloatArray) -> FloatArray:
        """As `extend`, of images that `projection` has projected already: for those that are asked about repeatedly."""
        prior = normalise_rows(prior)
        if self._spread_labels is None or self.n == 0:
            return prior
        space = self._leading(features)
        neighbours, similarities = self.index.search(space, self.options.neighbours)
        nearby = from_neighbours(
            neighbours, similarities, self._spread_labels, prior, power=self.options.affinity_power
        )
        beliefs = nearby
        if self._linear is not None:
            weight = linear_weight(self._annotated.size)
            beliefs = geometric_mean(nearby, self._linear.probabilities(features), weight=weight)
        if self._mixture is None:
            return beliefs
        mixture, of_pool = self._mixture
        mixed = mixture.beliefs(space, nearby, around(neighbours, similarities, of_pool))
        return with_mixture(beliefs, mixed, prior, self._per_label, mixture.background, self._seen_labels)

    def export_extension(self) -> dict[str, NDArray[Any]]:
        """All that `extend_from` needs without the pool: up to `EXTENSION_ROWS` of its images, annotated ones first."""
        if self._spread_labels is None:
            return {"annotated": np.zeros(0, dtype=np.int64)}
        kept: NDArray[np.intp] = np.arange(self.n)
        if self.n > EXTENSION_ROWS:
            others = np.random.default_rng(self._seed).permutation(self.n)
            kept = np.concatenate([self._annotated, others[~np.isin(others, self._annotated)]])[:EXTENSION_ROWS]
        arrays: dict[str, NDArray[Any]] = {
            "annotated": self._annotated,
            "mean": self.projection.mean,
            "projection": self.projection.matrix,
            "space": self.space[kept].astype(np.float16),
            "labels": self._spread_labels[kept].astype(np.float16),
            "neighbours": np.array(self.options.neighbours),
            "affinity_power": np.array(self.options.affinity_power),
        }
        if self._linear is not None:
            arrays |= linear_arrays(self._linear)
        if self._mixture is not None:
            mixture, of_pool = self._mixture
            arrays |= mixture_arrays(mixture, of_pool[kept], self._per_label, self._seen_labels)
        return arrays
