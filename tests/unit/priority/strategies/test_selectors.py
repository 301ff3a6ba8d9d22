"""The selectors, against brute force and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from backend.priority import selectors

from .pools import on_circle, unhurried, unit

pytestmark = pytest.mark.unit

seeds = st.integers(0, 2**32 - 1)


def reference_k_centre(space: np.ndarray, count: int, centres: list[int]) -> list[int]:
    """Greedy k-centre as it is written in the paper, with every distance computed anew."""
    chosen: list[int] = []
    for _ in range(min(count, len(space) - len(centres))):
        taken = set(centres) | set(chosen)
        free = [row for row in range(len(space)) if row not in taken]
        best = max(min(float(np.sum((space[row] - space[c]) ** 2)) for c in taken) for row in free)
        chosen.append(
            next(r for r in free if min(float(np.sum((space[r] - space[c]) ** 2)) for c in taken) >= best - 1e-6)
        )
    return chosen


@unhurried
@given(seeds, st.integers(2, 14), st.integers(0, 14))
def test_greedy_k_centre_is_the_papers(seed: int, n: int, count: int) -> None:
    space = unit(np.random.default_rng(seed).normal(size=(n, 3)))
    chosen, scores = selectors.farthest_first(space[1:], count, selectors.nearest_centre(space[1:], space[:1]))
    assert (chosen + 1).tolist() == reference_k_centre(space, count, [0])
    assert np.all(np.diff(scores) <= 0)


@unhurried
@given(seeds, st.integers(3, 8), st.integers(1, 3))
def test_greedy_k_centre_is_within_twice_the_optimum(seed: int, n: int, count: int) -> None:
    space = unit(np.random.default_rng(seed).normal(size=(n, 3)))
    pairwise = np.linalg.norm(space[:, None] - space[None], axis=2)
    count = min(count, n - 1)
    best = min(pairwise[:, [0, *extra]].min(axis=1).max() for extra in itertools.combinations(range(1, n), count))
    chosen, _ = selectors.farthest_first(space[1:], count, selectors.nearest_centre(space[1:], space[:1]))
    assert pairwise[:, [0, *(chosen + 1)]].min(axis=1).max() <= 2 * best + 1e-3


def test_farthest_first_by_hand() -> None:
    # Centre at 0 degrees: the farthest is 180 (distance 4 / 4), then 90 (2 / 4), then 30 (|.|² = 2 - √3).
    space = on_circle([30, 90, 180])
    chosen, scores = selectors.farthest_first(space, 3, selectors.nearest_centre(space, on_circle([0])))
    assert chosen.tolist() == [2, 1, 0]
    assert scores == pytest.approx([1.0, 0.5, (2 - 3**0.5) / 4], abs=1e-6)


def test_farthest_first_without_centres_begins_in_the_middle() -> None:
    chosen, scores = selectors.farthest_first(on_circle([-40, 0, 35]), 2)
    assert chosen.tolist() == [1, 0]
    assert scores == pytest.approx([1.0, (2 - 2 * np.cos(np.radians(40))) / 4], abs=1e-6)


def test_farthest_first_never_takes_a_row_twice() -> None:
    chosen, scores = selectors.farthest_first(np.zeros((5, 3), dtype=np.float32), 5)
    assert sorted(chosen.tolist()) == [0, 1, 2, 3, 4]
    assert scores.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_squared_distances_are_scaled_to_one() -> None:
    space = on_circle([0, 90, 180])
    assert selectors.squared_distances(space, space[0]) == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)


@unhurried
@given(seeds, st.integers(1, 20), st.integers(0, 6))
def test_nearest_centre_is_the_least_distance(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    space, centres = (
        unit(rng.normal(size=(n, 4))),
        unit(rng.normal(size=(m, 4)).reshape(m, 4)) if m else np.empty((0, 4)),
    )
    found = selectors.nearest_centre(space, centres.astype(np.float32))
    expected = np.linalg.norm(space[:, None] - centres[None], axis=2).min(axis=1, initial=np.inf) ** 2 / 4
    assert found == pytest.approx(expected, abs=1e-5)


def test_nearest_centre_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    space, centres = unit(rng.normal(size=(50, 4))), unit(rng.normal(size=(7, 4)))
    whole = selectors.nearest_centre(space, centres)
    monkeypatch.setattr(selectors, "_BLOCK_ELEMENTS", 30)
    assert selectors.nearest_centre(space, centres) == pytest.approx(whole, abs=1e-6)


@unhurried
@given(
    st.lists(st.one_of(st.floats(0, 1, width=32), st.just(0.5), st.just(float("nan"))), max_size=30), st.integers(0, 35)
)
def test_best_scores_is_a_stable_sort(scores: list[float], count: int) -> None:
    chosen, best = selectors.best_scores(np.array(scores, dtype=np.float32), count)
    clean = [0.0 if np.isnan(score) else score for score in scores]
    expected = sorted(range(len(scores)), key=lambda row: -clean[row])[:count]
    assert chosen.tolist() == expected
    assert best == pytest.approx([clean[row] for row in expected])


def test_position_scores_fall_evenly() -> None:
    assert selectors.position_scores(4).tolist() == [1.0, 0.75, 0.5, 0.25]
    assert selectors.position_scores(0).size == 0


def test_deal_takes_turns() -> None:
    groups = [np.array([1, 2, 3]), np.array([], dtype=int), np.array([7]), np.array([8, 9])]
    assert selectors.round_robin(groups, 5).tolist() == [1, 7, 8, 2, 9]
    assert selectors.round_robin(groups, 99).tolist() == [1, 7, 8, 2, 9, 3]
    assert selectors.round_robin([], 3).size == 0


def reference_cover(sets: np.ndarray, count: int, allowed: np.ndarray) -> tuple[list[int], list[int]]:
    covered = sets[~allowed].any(axis=0)
    chosen: list[int] = []
    gains: list[int] = []
    for _ in range(count):
        free = [row for row in np.flatnonzero(allowed) if row not in chosen]
        gain = {row: int((sets[row] & ~covered).sum()) for row in free}
        pick = max(free, key=lambda row: (gain[row], -row))
        chosen.append(int(pick))
        gains.append(gain[pick])
        covered = covered | sets[pick]
    return chosen, gains


@unhurried
@given(seeds, st.integers(1, 12), st.floats(0, 1), st.floats(0, 1))
def test_greedy_cover_equals_recounting(seed: int, n: int, density: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    half = rng.random((n, n)) < density
    sets = half | half.T | np.eye(n, dtype=bool)
    allowed = rng.random(n) >= share
    chosen, scores = selectors.greedy_cover(sparse.csr_matrix(sets), n, allowed)
    expected, gains = reference_cover(sets, int(allowed.sum()), allowed)
    assert chosen.tolist() == expected
    assert scores == pytest.approx(np.array(gains) / sets.sum(axis=1).max())


@unhurried
@given(seeds, st.integers(2, 12), st.integers(1, 12))
def test_factored_gradients_are_the_written_out_ones(seed: int, n: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    errors, space = rng.normal(size=(n, 3)).astype(np.float32), unit(rng.normal(size=(n, 4)))
    outer = np.einsum("il,ik->ilk", errors, space).reshape(n, -1).astype(np.float64)
    found = selectors.spread_by_gradient(errors, space, count, np.random.default_rng(5))
    draws = np.random.default_rng(5)
    nearest = np.square(outer).sum(axis=1)
    expected = [int(np.argmax(nearest))]
    while len(expected) < min(count, n):
        nearest = np.minimum(nearest, np.square(outer - outer[expected[-1]]).sum(axis=1))
        nearest[expected] = 0.0
        expected.append(int(np.searchsorted(np.cumsum(nearest), draws.random() * nearest.sum(), side="right")))
    assert found.tolist() == expected


def test_gradients_that_are_all_zero_are_drawn_evenly() -> None:
    nothing = np.zeros((6, 2), dtype=np.float32)
    chosen = selectors.spread_by_gradient(nothing, nothing, 6, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == list(range(6))
