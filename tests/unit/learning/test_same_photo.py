"""Which neighbours show the same picture."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.knn_graph import NeighbourIndex, drop_self
from backend.learning.same_photo import same_photos

pytestmark = pytest.mark.unit


def found(neighbours: list[list[int]], similarities: list[list[float]]) -> list[tuple[int, int]]:
    rows, others = same_photos(np.array(neighbours, dtype=np.int32), np.array(similarities, dtype=np.float32))
    return list(zip(rows.tolist(), others.tolist(), strict=True))


def test_a_pair_far_nearer_than_the_rest_is_one_picture() -> None:
    assert found([[1, 2], [0, 2], [1, 0]], [[0.95, 0.5], [0.95, 0.6], [0.6, 0.5]]) == [(0, 1), (1, 0)]


def test_in_a_crowd_of_much_alike_photos_nothing_is() -> None:
    assert found([[1, 2], [0, 2], [0, 1]], [[0.96, 0.95], [0.96, 0.94], [0.95, 0.94]]) == []


def test_equal_files_are_however_many() -> None:
    assert len(found([[1, 2], [0, 2], [0, 1]], [[1.0, 0.9999]] * 3)) == 6


def test_no_neighbour_is_no_copy() -> None:
    assert found([[-1, -1]], [[1.0, 1.0]]) == []
    assert found([], []) == []


def test_the_most_alike_comes_last() -> None:
    assert found([[1, 2, 3]], [[0.97, 0.95, 0.1]]) == [(0, 2), (0, 1)]


def test_only_the_pairs_of_some_rows() -> None:
    neighbours = np.array([[1, 2], [0, 2], [1, 0]])
    similarities = np.array([[0.95, 0.5], [0.95, 0.6], [0.6, 0.5]], dtype=np.float32)
    rows, others = same_photos(neighbours, similarities, np.array([2, 1]))
    assert (rows.tolist(), others.tolist()) == ([1], [0])


@pytest.mark.parametrize("axes", [16, 64])
def test_photos_of_one_crowd_are_not_one_picture(axes: int) -> None:
    """Crowds so tight that every cosine within one is above the threshold."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, axes))
    space = centres[np.arange(800) % 8] + 0.15 * rng.normal(size=(800, axes))
    space = (space / np.linalg.norm(space, axis=1, keepdims=True)).astype(np.float32)
    own = np.arange(800, dtype=np.int32)
    neighbours, similarities = drop_self(*NeighbourIndex.build(space).search(space, 11), own, 10)
    assert similarities.mean() > 0.95
    rows, _ = same_photos(neighbours, similarities)
    assert rows.size == 0
