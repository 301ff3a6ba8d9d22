"""The map of a pool: alike photos lie together, it is the same each time, and it can be stopped."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.learning.layout import lay_out
from backend.learning.projection import unit_rows

pytestmark = pytest.mark.unit

GROUPS, EACH = 4, 20


def groups() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(GROUPS), EACH)
    centres = rng.normal(size=(GROUPS, 32))
    return unit_rows((centres[group] + rng.normal(0, 0.4, (group.size, 32))).astype(np.float32)), group


def together(places: NDArray[np.float32], group: NDArray[np.int64]) -> float:
    """Share of the photos whose nearest on the map is of their group."""
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    return float((group[far.argmin(axis=1)] == group).mean())


def test_what_is_alike_lies_together_and_a_new_map_resembles_the_last() -> None:
    vectors, group = groups()
    told: list[float] = []
    places = lay_out(vectors, progress=lambda share, said: told.append(share))
    assert places.shape == (GROUPS * EACH, 2)
    assert np.abs(places).max() <= 1.0
    assert together(places, group) > 0.98
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    known = places.copy()
    known[::10] = np.nan  # photos that the last map did not have
    again = lay_out(vectors, known)
    centre, other = (np.stack([item[group == one].mean(axis=0) for one in range(GROUPS)]) for item in (places, again))
    assert np.corrcoef(centre.ravel(), other.ravel())[0, 1] > 0.8


def test_few_photos_photos_without_direction_and_none() -> None:
    assert lay_out(np.zeros((0, 8), np.float32)).shape == (0, 2)
    assert np.isfinite(lay_out(np.ones((3, 1), np.float32))).all()
    assert np.isfinite(lay_out(np.zeros((40, 8), np.float32))).all()


def test_what_the_report_raises_ends_the_work() -> None:
    class StoppedError(Exception):
        pass

    def stop(share: float, said: str) -> None:
        if share > 0.1:
            raise StoppedError

    with pytest.raises(StoppedError):
        lay_out(groups()[0], progress=stop)
