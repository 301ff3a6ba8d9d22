"""Which neighbours show the same picture."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning import pool_graph
from backend.learning.knn_graph import NeighbourIndex, drop_self
from backend.learning.pool_model import PoolModel
from backend.learning.same_photo import same_photo_edges, same_photos

pytestmark = pytest.mark.unit


def pairs(
    neighbours: np.ndarray, similarities: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """By the graph alone."""
    return same_photos(neighbours, similarities, same_photo_edges(neighbours, similarities, None), rows)


def found(neighbours: list[list[int]], similarities: list[list[float]]) -> list[tuple[int, int]]:
    rows, others = pairs(np.array(neighbours, dtype=np.int32), np.array(similarities, dtype=np.float32))
    return list(zip(rows.tolist(), others.tolist(), strict=True))


def test_a_pair_far_nearer_than_the_rest_is_one_picture() -> None:
    assert found([[1, 2], [0, 2], [1, 0]], [[0.95, 0.5], [0.95, 0.6], [0.6, 0.5]]) == [(0, 1), (1, 0)]


def test_in_a_crowd_of_much_alike_photos_nothing_is() -> None:
    assert found([[1, 2], [0, 2], [0, 1]], [[0.96, 0.95], [0.96, 0.94], [0.95, 0.94]]) == []


def test_equal_files_are_however_many() -> None:
    assert len(found([[1, 2], [0, 2], [0, 1]], [[1.0, 0.9999]] * 3)) == 6


def test_no_neighbour_is_no_copy() -> None:
    assert found([[-1, -1]], [[1.0, 1.0]]) == []
    assert pairs(np.zeros((0, 2), dtype=np.int32), np.zeros((0, 2), dtype=np.float32))[0].size == 0


def test_the_most_alike_comes_last() -> None:
    assert found([[1, 2, 3]], [[0.97, 0.95, 0.1]]) == [(0, 2), (0, 1)]


def test_only_the_pairs_of_some_rows() -> None:
    neighbours = np.array([[1, 2], [0, 2], [1, 0]])
    similarities = np.array([[0.95, 0.5], [0.95, 0.6], [0.6, 0.5]], dtype=np.float32)
    rows, others = pairs(neighbours, similarities, np.array([2, 1]))
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
    rows, _ = pairs(neighbours, similarities)
    assert rows.size == 0


def photos(labels: int, each: int, seed: int, width: int = 512) -> np.ndarray:
    """Embeddings with the cosines of real ones: 0.31 on average between two labels, 0.54 within one."""
    rng = np.random.default_rng(seed)
    alike, of_label, own = (
        rng.normal(size=width),
        rng.normal(size=(labels, width)),
        rng.normal(size=(labels * each, width)),
    )
    label = np.repeat(np.arange(labels), each)
    return np.sqrt(0.31) * alike + np.sqrt(0.23) * of_label[label] + np.sqrt(0.46) * own


@pytest.mark.parametrize(("labels", "each"), [(3, 2), (5, 2), (10, 2), (20, 2)])
def test_in_a_small_pool_only_the_same_picture_is_the_same(labels: int, each: int) -> None:
    """Its few axes pull photos of two pictures to a cosine above the threshold."""
    misled = 0
    for seed in range(5):
        embeddings = photos(labels, each, seed)
        n = len(embeddings)
        prior = np.full((n + 1, labels), 1 / labels, dtype=np.float32)
        model = PoolModel(embeddings.astype(np.float16), prior[:n])
        misled += int(same_photo_edges(model.neighbours, model.similarities, None).sum())
        assert not model.same_photo.any()
        again = embeddings[:1] + 0.35 * np.random.default_rng(seed).normal(size=embeddings.shape[1])
        compressed = np.concatenate([embeddings, again]).astype(np.float16)
        whole, grown = PoolModel(compressed, prior), model
        grown.add(compressed[n:], prior[n:])
        for pool in (whole, grown):
            rows, others = same_photos(pool.neighbours, pool.similarities, pool.same_photo)
            assert {frozenset(pair) for pair in zip(rows.tolist(), others.tolist(), strict=True)} <= {frozenset((0, n))}
        assert whole.same_photo.any()
    assert misled > 0, "the graph alone is not misled here: this tests nothing"


def test_an_answer_goes_to_no_other_photo_of_a_small_pool() -> None:
    labels = 3
    for seed in range(10):
        model = PoolModel(
            photos(labels, 2, seed).astype(np.float16), np.full((6, labels), 1 / labels, dtype=np.float32)
        )
        beliefs = model.propagate(np.array([0]), np.eye(labels, dtype=np.float32)[:1])
        assert beliefs[0] == pytest.approx([1, 0, 0])
        assert beliefs[1:].max() < 1.0


def test_a_large_pool_compares_embeddings_where_its_owner_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_graph, "REFIT_UP_TO", 10)
    embeddings = photos(10, 2, 0).astype(np.float16)
    prior = np.full((20, 10), 0.1, dtype=np.float32)
    model = PoolModel(embeddings[:15], prior[:15])
    assert not model.same_photo.any()
    model.add(embeddings[15:], prior[15:], joined=embeddings)
    assert same_photo_edges(model.neighbours, model.similarities, None).any()
    assert not model.same_photo.any()
