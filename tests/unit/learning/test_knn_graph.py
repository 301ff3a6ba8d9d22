from __future__ import annotations

import numpy as np
import pytest

from backend.learning import knn_graph
from backend.learning.knn_graph import NeighbourIndex, affinity, drop_self, join_neighbours, normalised
from backend.learning.projection import unit_rows

pytestmark = pytest.mark.unit


def random_rows(n: int, width: int = 16, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, width))
    return unit_rows((centres[rng.integers(20, size=n)] + 0.5 * rng.normal(size=(n, width))).astype(np.float32))


def test_small_pools_are_searched_exactly() -> None:
    rows = random_rows(200)
    found, cosines = drop_self(*NeighbourIndex.build(rows).search(rows, 6), np.arange(200), 5)
    table = rows @ rows.T
    np.fill_diagonal(table, -2)
    assert np.sort(cosines, axis=1) == pytest.approx(np.sort(np.sort(table, axis=1)[:, -5:], axis=1), abs=1e-5)
    assert not (found == np.arange(200)[:, None]).any()
    assert (np.diff(cosines, axis=1) <= 1e-6).all()


def recall_of(index: NeighbourIndex, rows: np.ndarray, count: int = 10) -> float:
    table = rows @ rows.T
    found, _ = index.search(rows, count)
    exact = np.argsort(-table, axis=1)[:, :count]
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(exact, found, strict=True)])) / count


@pytest.mark.parametrize("width", [3, 16, 33])
def test_large_pools_find_most_neighbours_at_their_exact_cosines(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn_graph, "EXACT_UP_TO", 100)
    rows = random_rows(3000, width)
    index = NeighbourIndex.build(rows)
    assert not index.exact
    assert recall_of(index, rows) > 0.9
    found, cosines = index.search(rows, 10)
    assert cosines == pytest.approx(np.einsum("nk,njk->nj", rows, rows[found]), abs=1e-5)
    assert (NeighbourIndex.build(rows).search(rows, 10)[0] == found).all()


def test_an_index_that_outgrows_exact_search_keeps_all_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn_graph, "EXACT_UP_TO", 1000)
    rows = random_rows(3000)
    index = NeighbourIndex.build(rows[:900])
    assert index.exact
    for start in range(900, 3000, 300):
        index.add(rows[start : start + 300])
    assert not index.exact
    assert index.search(rows, 10)[0][:, 0].tolist() == list(range(3000))
    assert recall_of(index, rows) > 0.9


def test_a_row_without_direction_is_near_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn_graph, "EXACT_UP_TO", 100)
    rows = random_rows(500)
    rows[::50] = 0.0
    _, cosines = NeighbourIndex.build(rows).search(rows[::50], 5)
    assert cosines == pytest.approx(0.0, abs=1e-6)


def test_pools_smaller_than_the_neighbourhood_are_padded() -> None:
    rows = random_rows(3)
    found, cosines = drop_self(*NeighbourIndex.build(rows).search(rows, 6), np.arange(3), 5)
    assert (found[:, 2:] == -1).all()
    assert (cosines[:, 2:] == 0).all()
    assert all(set(found[row, :2]) == {0, 1, 2} - {row} for row in range(3))


def test_a_row_hidden_by_its_copies_is_not_its_own_neighbour() -> None:
    rows = np.repeat(random_rows(1), 8, axis=0)
    found, cosines = drop_self(*NeighbourIndex.build(rows).search(rows, 4), np.arange(8), 3)
    assert not (found == np.arange(8)[:, None]).any()
    assert cosines == pytest.approx(1.0, abs=1e-5)


def test_hand_computed_affinity() -> None:
    graph = affinity(np.array([[1], [2], [-1]], np.int32), np.array([[0.5], [-0.2], [0.0]], np.float32), power=2.0)
    assert graph.toarray() == pytest.approx(np.array([[0, 0.125, 0], [0.125, 0, 0], [0, 0, 0]]))
    assert normalised(graph).toarray() == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))


def test_joining_gives_the_graph_of_all() -> None:
    rows = random_rows(150)
    count = 6
    index = NeighbourIndex.build(rows[:100])
    own = np.arange(150, dtype=np.int32)
    old = drop_self(*index.search(rows[:100], count + 1), own[:100], count)
    index.add(rows[100:])
    new = drop_self(*index.search(rows[100:], count + 1), own[100:], count)
    _, cosines = join_neighbours(*old, *new)
    _, whole = drop_self(*NeighbourIndex.build(rows).search(rows, count + 1), own, count)
    assert cosines[100:] == pytest.approx(whole[100:], abs=1e-5)
    # An old row learns of every new one that has it among its own neighbours.
    for row in range(100):
        callers = new[1][(new[0] == row)]
        expected = np.sort(np.concatenate([old[1][row], callers]))[::-1][:count]
        assert cosines[row] == pytest.approx(expected, abs=1e-6)


def test_a_row_that_lacks_neighbours_takes_new_ones_and_keeps_the_order_of_equals() -> None:
    old = np.array([[1, -1], [0, -1]], np.int32), np.array([[0.5, 0.0], [0.5, 0.0]], np.float32)
    new = np.array([[0, 1], [0, 2]], np.int32), np.array([[0.5, 0.2], [0.9, 0.7]], np.float32)
    neighbours, cosines = join_neighbours(*old, *new)
    assert neighbours.tolist() == [[3, 1], [0, 2], [0, 1], [0, 2]]
    assert cosines[:2] == pytest.approx(np.array([[0.9, 0.5], [0.5, 0.2]]))
