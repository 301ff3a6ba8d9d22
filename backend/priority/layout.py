"""The layout of a pool: what an order needs to know of its photos that no annotation changes, kept between orders."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.priority.candidates import in_digest_order
from backend.priority.evaluation_sample import sample_position
from backend.priority.influence import KEPT_UP_TO, TwoSteps
from backend.priority.pool_view import BoolArray, IntArray, PoolView


class PoolLayout:
    """The order that sums run in, and what depends on nothing but the photos.

    Attributes:
        rows: int [r], rows of the pool in the order of their digests.
        names: the digests in this order, or row indices where there are none.
    """

    def __init__(self, view: PoolView, rows: IntArray) -> None:
        """Of those `rows` [r] of a view that exist."""
        self.rows: IntArray = in_digest_order(view, rows)
        digests = view.digests
        self.names: list[str] = [str(row) if digests is None else digests[row] for row in self.rows.tolist()]
        self._asked_for = rows
        self._made_of = (view.neighbours, view.similarities, digests)
        self._steps: TwoSteps | None = None

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """Of each photo, `sample_position`: float64 [r] in [0, 1)."""
        return sample_position(self.names)

    def in_sample(self, share: float) -> BoolArray:
        """Which photos are of the evaluation sample (`evaluation_mask`): bool [r]."""
        return self.position < share if share > 0.0 else np.zeros(self.rows.size, dtype=bool)

    def by_position(self, places: IntArray) -> IntArray:
        """Places in the order, int [m], sorted by the `position` of their photos."""
        return places[np.argsort(self.position[places], kind="stable")] if places.size else places

    def steps(self, view: PoolView) -> TwoSteps:
        """Those of `view`, the pool in this order. Kept where the whole reach is, else they are made each time."""
        steps = self._steps or TwoSteps(view)
        if view.n <= KEPT_UP_TO and view.neighbours is not None:
            self._steps = steps
        return steps

    @property
    def held(self) -> list[Any]:
        """Its arrays and matrices."""
        return [self.rows, self._asked_for, self.__dict__.get("position"), self._steps]

    def fits(self, view: PoolView, rows: IntArray) -> bool:
        """Whether a view is of the same photos, with the same graph: the very same arrays."""
        now = (view.neighbours, view.similarities, view.digests)
        same = all(known is given for known, given in zip(self._made_of, now, strict=True))
        return same and np.array_equal(self._asked_for, rows)


class LayoutCache:
    """The layout of the pool that was ordered last, for one that is ordered again and again.

    Up to 50,000 photos it holds their reach (`TwoSteps`): 8 bytes for each of some hundred photos that one reaches, about
    3 KB a photo. Of larger pools only the order and the positions, some 100 bytes a photo.
    """

    def __init__(self) -> None:
        self._kept: PoolLayout | None = None

    @property
    def held(self) -> list[Any]:
        """The arrays and matrices that it holds, for who counts memory."""
        kept = self._kept
        return [] if kept is None else kept.held

    def of(self, view: PoolView, rows: IntArray) -> PoolLayout:
        """The layout of those `rows` [r] of a view that exist, as it was kept, or a new one where photos have changed."""
        kept = self._kept
        if kept is None or not kept.fits(view, rows):
            self._kept = kept = PoolLayout(view, rows)
        return kept
