"""What the pool believes where several labels may hold for a photo: by whole sets of labels, and label by label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.label_sets import MAX_BELIEFS, MAX_SETS, LabelSets, has_several, label_sets
from backend.learning.out_of_sample import set_arrays
from backend.learning.pool_model import PoolModel
from backend.learning.probabilities import normalise_rows
from backend.learning.relevance import RelevanceHints

FloatArray = NDArray[np.float32]


class SeveralLabelsModel(PoolModel):
    """A pool of n images of which each may have several labels.

    While every annotation gives one label each, it is the `PoolModel` of these labels: rows sum to 1, and the same holds
    before any annotation. From the first annotation with another number on, what it believes are probabilities of single
    labels, each in [0, 1], and `unmixed` too.
    """

    def _forget(self) -> None:
        super()._forget()
        self._sets: tuple[LabelSets, PoolModel] | None = None

    @property
    def several(self) -> bool:
        """Whether annotations of other than one label are spread."""
        return self._sets is not None

    def propagate(self, rows: NDArray[np.integer], targets: FloatArray) -> FloatArray:
        """Spread the annotations `targets` [m, L] of `rows` [m]: probabilities float32 [n, L].

        Labels alone and whole sets (`LabelSets`) are spread, each as `PoolModel` does it.
        """
        targets = np.asarray(targets, dtype=np.float32)
        shares = super().propagate(rows, targets)
        alone, self._sets = self.unmixed, None
        if alone is None or not has_several(targets):
            return shares
        rows = np.array(rows, dtype=np.intp)
        sets = label_sets(targets, int(min(MAX_SETS, max(MAX_BELIEFS / max(self.n, 1), 1.0))))
        pool = self._pool_of(sets)
        by_set = pool.propagate(rows, sets.given)
        beliefs = sets.marginals(by_set, shares)
        self.unmixed = sets.marginals(by_set if pool.unmixed is None else pool.unmixed, alone)
        place, copy_row = self.pairs_of(rows)
        for answered in (self.unmixed, beliefs):
            answered[copy_row] = targets[place]
            answered[rows] = targets
        self._sets = sets, pool
        return beliefs

    def _pool_of(self, sets: LabelSets) -> PoolModel:
        """The same pool, whose labels are the sets."""
        hints = self.hints
        if hints is not None:
            hints = RelevanceHints(sets.only(hints.irrelevant), hints.mass, hints.unknown)
        weighed = self.crowd_prior is not None
        return self.with_labels(
            sets.prior(self.prior),
            hints,
            smoothed=sets.prior(self.smoothed_prior),
            crowd_prior=sets.prior(self.crowd_prior) if self.crowd_prior is not None else None,
            smoothed_crowds=sets.prior(self.smoothed_crowd_prior) if weighed else None,
            depicted=None if self.depicted is None else sets.only(self.depicted),
        )

    def extend_projected(self, features: FloatArray, prior: FloatArray) -> FloatArray:
        """As of `PoolModel`; from the first annotation of several labels on, each label's own probability."""
        shares = super().extend_projected(features, prior)
        if self._sets is None:
            return shares
        sets, pool = self._sets
        return sets.marginals(pool.extend_projected(features, sets.prior(normalise_rows(prior))), shares)

    def export_extension(self) -> dict[str, NDArray[Any]]:
        """As of `PoolModel`, with what is needed of the sets."""
        arrays = super().export_extension()
        if self._sets is None:
            return arrays
        sets, pool = self._sets
        return arrays | set_arrays(sets, pool.export_extension())
