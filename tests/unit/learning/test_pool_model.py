from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.learning import graph_options, pool_beliefs, pool_model
from backend.learning.out_of_sample import extend_from
from backend.learning.pool_model import PoolModel
from backend.learning.probabilities import normalise_rows
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit

EYE = np.eye(5, dtype=np.float32)


def one_each(truth: np.ndarray) -> np.ndarray:
    return np.array([int(np.flatnonzero(truth == label)[0]) for label in range(5)])


def test_one_label_a_class_reaches_the_whole_cluster_and_photos_outside() -> None:
    embeddings, truth, prior = clusters()
    outside, outside_truth, outside_prior = clusters(100, seed=1)
    model = PoolModel(embeddings, prior)
    rows = one_each(truth)
    beliefs = model.propagate(rows, EYE)
    assert beliefs.shape == (300, 5)
    assert beliefs.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (beliefs.argmax(axis=1) == truth).mean() > 0.95
    assert beliefs[rows] == pytest.approx(EYE)
    assert (model.extend(outside, outside_prior).argmax(axis=1) == outside_truth).mean() > 0.9


def test_the_exported_extension_predicts_the_same_without_the_pool() -> None:
    embeddings, truth, prior = clusters()
    outside, _, outside_prior = clusters(60, seed=1)
    model = PoolModel(embeddings, prior)
    assert extend_from(model.export_extension(), outside, outside_prior) == pytest.approx(outside_prior)
    model.propagate(one_each(truth), EYE)
    arrays = model.export_extension()
    assert not any(array.dtype == object for array in arrays.values())
    found = extend_from(arrays, outside, outside_prior)
    assert found == pytest.approx(model.extend(outside, outside_prior), abs=0.02)
    assert extend_from(arrays, outside[:0], outside_prior[:0]).shape == (0, 5)


def test_the_extension_of_a_large_pool_carries_its_annotated_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_model, "EXTENSION_ROWS", 50)
    embeddings, truth, prior = clusters()
    model = PoolModel(embeddings, prior)
    rows = one_each(truth)
    model.propagate(rows, EYE)
    arrays = model.export_extension()
    assert arrays["labels"].shape == (50, 5)
    assert arrays["labels"][:5] == pytest.approx(EYE)


def test_photos_that_join_are_as_if_they_had_been_there() -> None:
    embeddings, truth, prior = clusters()
    whole = PoolModel(embeddings, prior)
    grown = PoolModel(embeddings[:200], prior[:200])
    space_before = grown.space.copy()
    grown.add(embeddings[200:], prior[200:])
    assert np.array_equal(grown.space[:200], space_before)  # joined, not built anew
    assert grown.neighbours.shape == whole.neighbours.shape
    rows = one_each(truth)
    first, second = grown.propagate(rows, EYE), whole.propagate(rows, EYE)
    assert (first.argmax(axis=1) == second.argmax(axis=1)).mean() > 0.97


def test_a_pool_that_doubled_is_fitted_anew_and_nothing_added_changes_nothing() -> None:
    embeddings, _, prior = clusters()
    grown = PoolModel(embeddings[:3], prior[:3])
    grown.add(embeddings[3:], prior[3:])
    whole = PoolModel(embeddings, prior)
    assert grown.space == pytest.approx(whole.space, abs=1e-5)
    grown.add(embeddings[:0], prior[:0])
    assert grown.n == 300


def test_the_prior_speaks_until_labels_do() -> None:
    embeddings, truth, _ = clusters()
    prior = np.full((300, 5), 0.1, dtype=np.float32)
    prior[np.arange(300), truth] = 0.6
    wrong = np.random.default_rng(0).random(300) < 0.3
    prior[wrong] = prior[wrong][:, ::-1]
    model = PoolModel(embeddings, prior)
    nobody = model.propagate(np.zeros(0, dtype=int), np.zeros((0, 5), np.float32))
    assert nobody.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    # Neighbours put each other right.
    assert (nobody.argmax(axis=1) != truth).sum() < 0.6 * (prior.argmax(axis=1) != truth).sum()
    # Labels that contradict the prior win where they are.
    rows = np.flatnonzero(truth == 0)[:10]
    beliefs = model.propagate(rows, np.repeat(EYE[[1]], 10, axis=0))
    assert (beliefs[truth == 0].argmax(axis=1) == 1).mean() > 0.8


def test_an_annotation_taken_back_leaves_no_trace() -> None:
    embeddings, truth, prior = clusters()
    model = PoolModel(embeddings, prior)
    rows = one_each(truth)
    before = model.propagate(rows, EYE)
    model.propagate(np.append(rows, 50), np.vstack([EYE, EYE[:1]]))
    assert np.array_equal(model.propagate(rows, EYE), before)


def test_large_pools_start_from_what_was_spread_before(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, truth, prior = clusters()
    rows = one_each(truth)
    before = PoolModel(embeddings, prior).propagate(rows, EYE)
    monkeypatch.setattr(pool_beliefs, "WARM_FROM", 1)
    model = PoolModel(embeddings, prior)
    model.propagate(np.append(rows, 50), np.vstack([EYE, EYE[:1]]))
    assert model.propagate(rows, EYE) == pytest.approx(before, abs=0.02)


def test_doubt_of_the_annotators_stays_in_the_belief() -> None:
    embeddings, truth, prior = clusters()
    rows = one_each(truth)
    targets = EYE.copy()
    targets[0] = [0.5, 0.5, 0, 0, 0]
    assert PoolModel(embeddings, prior).propagate(rows, targets)[rows[0]] == pytest.approx(targets[0])


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 30), labels=st.integers(1, 4), annotated=st.integers(0, 5), seed=st.integers(0, 99))
def test_small_and_broken_pools_give_probabilities(n: int, labels: int, annotated: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, 6)).astype(np.float16)
    embeddings[rng.random(n) < 0.3] = 0
    embeddings[rng.random(n) < 0.1] = np.nan
    embeddings[rng.random(n) < 0.3] = embeddings[0]
    prior = rng.random((n, labels)).astype(np.float32)
    prior[0] = 0
    rows = rng.permutation(n)[:annotated]
    targets = np.eye(labels, dtype=np.float32)[rng.integers(labels, size=rows.size)]
    model = PoolModel(embeddings, prior)
    for beliefs in (model.propagate(rows, targets), model.extend(embeddings, prior)):
        assert np.isfinite(beliefs).all()
        assert (beliefs >= 0).all()
        assert beliefs.sum(axis=1) == pytest.approx(1.0, abs=1e-4)


def test_an_empty_pool() -> None:
    model = PoolModel(np.zeros((0, 6), np.float16), np.zeros((0, 3), np.float32))
    assert model.propagate(np.zeros(0, dtype=int), np.zeros((0, 3), np.float32)).shape == (0, 3)
    embeddings, _, prior = clusters(labels=3)
    grown = PoolModel(np.zeros((0, 24), np.float16), np.zeros((0, 3), np.float32))
    grown.add(embeddings, prior)
    assert grown.n == 300


def test_rows_to_one() -> None:
    values = np.array([[1, 3], [0, 0], [np.nan, 2], [-1, 2]], dtype=np.float32)
    assert normalise_rows(values).tolist() == [[0.25, 0.75], [0.5, 0.5], [0, 1], [0, 1]]
    assert normalise_rows(values, otherwise=np.array([[0.1, 0.9]] * 4, np.float32))[1] == pytest.approx([0.1, 0.9])


def test_the_space_grows_with_the_pool() -> None:
    sizes = [graph_options.dimension_for(n) for n in (0, 10, 900, 13_572, 250_000, 1_000_000)]
    assert sizes == [64, 64, 262, 1019, 1024, 256]
    embeddings, _, prior = clusters(n=300, width=200)
    model = PoolModel(embeddings, prior)
    assert model.projection.dimension == 152
    assert model.space.shape == (300, 76)
    fixed = PoolModel(embeddings, prior, options=graph_options.GraphOptions(dimension=20, graph_dimension=7))
    assert fixed.space.shape == (300, 7)


def test_a_copy_of_an_annotated_photo_gets_its_answer() -> None:
    embeddings, truth, prior = clusters()
    twice = np.concatenate([embeddings, embeddings[:1]])
    model = PoolModel(twice, np.concatenate([prior, prior[:1]]))
    other = (truth[0] + 1) % 5  # not what its surroundings will be told
    rows = np.append(np.flatnonzero(truth == truth[0])[1:6], 0)
    beliefs = model.propagate(rows, EYE[[*[truth[0]] * 5, other]])
    assert beliefs[0].argmax() == other
    assert beliefs[300] == pytest.approx(beliefs[0])


def test_the_most_alike_answer_is_that_of_a_copy() -> None:
    embeddings, _, prior = clusters(n=400, width=64)
    noise = np.random.default_rng(1).normal(size=(2, 64))
    nearly = embeddings[:1] + np.array([[0.25], [0.1]]) * noise
    model = PoolModel(np.concatenate([embeddings, nearly]).astype(np.float16), np.concatenate([prior, prior[:2]]))
    assert 0.92 < float(model.space[0] @ model.space[400]) < float(model.space[0] @ model.space[401]) < 0.999
    beliefs = model.propagate(np.array([400, 401]), EYE[[2, 3]])
    assert beliefs[0] == pytest.approx(EYE[3])
    turned = model.propagate(np.array([401, 400]), EYE[[2, 3]])
    assert turned[0] == pytest.approx(EYE[2])


def test_a_pool_without_photos_says_what_the_prior_says() -> None:
    model = PoolModel(np.zeros((0, 8), dtype=np.float32), np.zeros((0, 3), dtype=np.float32))
    assert model.propagate(np.zeros(0, dtype=np.intp), np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)
    photos, prior = np.ones((2, 8), dtype=np.float32), np.array([[0.2, 0.3, 0.5], [1, 0, 0]], dtype=np.float32)
    np.testing.assert_allclose(model.extend(photos, prior), prior)
    np.testing.assert_allclose(extend_from(model.export_extension(), photos, prior), prior)
