from __future__ import annotations

import numpy as np
import pytest

from backend.priority.unknown import MIDDLE, unknown_score

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("cosine", "dimension", "scaled"), [(0.25, 1600, 10.0), (0.25, 400, 5.0), (0.5, 900, 15.0), (-0.1, 100, -1.0)]
)
def test_hand_computed(cosine: float, dimension: int, scaled: float) -> None:
    score = unknown_score(np.array([cosine], dtype=np.float32), dimension)
    assert score[0] == pytest.approx(1 / (1 + np.exp(scaled - MIDDLE)), rel=1e-4)


def test_the_farther_the_nearest_class_the_more_unknown() -> None:
    scores = unknown_score(np.linspace(-1, 1, 41, dtype=np.float32), 1280)
    assert (np.diff(scores) <= 0).all()
    assert scores[0] == pytest.approx(1.0)
    assert scores[-1] == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_measured_is_unknown() -> None:
    assert unknown_score(np.array([np.nan, np.inf], dtype=np.float32), 10).tolist() == [1.0, 1.0]
    assert unknown_score(np.zeros(0, np.float32), 10).shape == (0,)
