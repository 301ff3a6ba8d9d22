from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.priority.greedy import lazy_greedy

pytestmark = pytest.mark.unit


class Cover:
    """Weighted maximum coverage with small whole weights, so that ties happen."""

    def __init__(self, seed: int, candidates: int, items: int) -> None:
        rng = np.random.default_rng(seed)
        self.sets = rng.random((candidates, items)) < 0.3
        self.weights = rng.integers(1, 4, size=items).astype(float)
        self.covered = np.zeros(items, dtype=bool)
        self.evaluations = 0

    def gain(self, candidate: int) -> float:
        self.evaluations += 1
        return float(self.weights[self.sets[candidate] & ~self.covered].sum())

    def gains(self, candidates: np.ndarray) -> np.ndarray:
        return np.array([self.gain(int(candidate)) for candidate in candidates])

    def take(self, candidate: int) -> None:
        self.covered |= self.sets[candidate]


@given(seed=st.integers(0, 10_000), candidates=st.integers(1, 25), count=st.integers(1, 30))
def test_equal_to_evaluating_everything_at_every_step(seed: int, candidates: int, count: int) -> None:
    names = np.random.default_rng(seed).permutation(candidates)
    cover = Cover(seed, candidates, 15)
    bounds = cover.gains(np.arange(candidates)).astype(np.float32)
    chosen, gains = lazy_greedy(bounds, cover.gains, cover.take, count, ties=names)

    plain = Cover(seed, candidates, 15)
    left, expected = list(range(candidates)), []
    while left and len(expected) < count:
        best = min(left, key=lambda candidate: (-plain.gain(candidate), names[candidate]))
        expected.append(best)
        plain.take(best)
        left.remove(best)
    assert chosen.tolist() == expected
    assert (np.diff(gains) <= 1e-6).all()


def test_only_candidates_that_could_win_are_evaluated() -> None:
    bounds = np.arange(1000, 0, -1, dtype=np.float32)
    asked: list[int] = []

    def gains(candidates: np.ndarray) -> np.ndarray:
        asked.extend(candidates.tolist())
        found: np.ndarray = bounds[candidates]
        return found

    chosen, _ = lazy_greedy(bounds, gains, lambda candidate: None, 5)
    assert chosen.tolist() == [0, 1, 2, 3, 4]
    assert len(set(asked)) < 10


def test_minus_infinity_is_never_chosen_and_nothing_gives_nothing() -> None:
    bounds = np.array([1.0, -np.inf, 2.0], dtype=np.float32)
    chosen, _ = lazy_greedy(bounds, lambda candidates: bounds[candidates], lambda candidate: None, 3)
    assert chosen.tolist() == [2, 0]
    chosen, gains = lazy_greedy(
        np.zeros(0, dtype=np.float32),
        lambda candidates: np.zeros(candidates.size, np.float32),
        lambda candidate: None,
        3,
    )
    assert chosen.size == gains.size == 0
