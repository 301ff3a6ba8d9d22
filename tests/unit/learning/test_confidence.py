"""How sure a suggestion is shown to be: the photo's own prior has a say, the named label stays."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.confidence import as_sure_as_the_photo
from backend.learning.pool_model import PoolModel
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit


def random_rows(n: int, labels: int, sharpness: float, seed: int) -> np.ndarray:
    values = np.exp(sharpness * np.random.default_rng(seed).normal(size=(n, labels)))
    rows: np.ndarray = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return rows


@pytest.mark.parametrize(("per_label", "say"), [(0.0, 0.8), (0.25, 0.4)])
def test_odds_of_the_named_label_are_those_of_crowd_and_photo(per_label: float, say: float) -> None:
    beliefs = np.array([[0.8, 0.15, 0.04, 0.01]], dtype=np.float32)
    prior = np.array([[0.5, 0.3, 0.1, 0.1]], dtype=np.float32)
    found = as_sure_as_the_photo(beliefs.copy(), prior, per_label)
    odds = 4.0 ** (1 - say) * 5.0**say
    assert found[0, 0] == pytest.approx(odds / (1 + odds), rel=1e-4)
    assert found[0, 1:] / (1 - found[0, 0]) == pytest.approx(beliefs[0, 1:] / 0.2, rel=1e-3)


def test_what_the_photo_itself_does_not_show_is_doubted_and_what_it_shows_believed() -> None:
    beliefs = np.array([[0.98, 0.01, 0.01], [0.5, 0.4, 0.1]], dtype=np.float32)
    prior = np.array([[0.02, 0.03, 0.95], [0.9, 0.05, 0.05]], dtype=np.float32)
    found = as_sure_as_the_photo(beliefs.copy(), prior, 0)
    assert found[0, 0] < 0.55
    assert found[1, 0] > 0.9


@pytest.mark.parametrize("per_label", [0.0, 0.5, 8.0])
def test_no_ranking_within_a_photo_changes_and_rows_sum_to_one(per_label: float) -> None:
    for labels in (2, 7, 30):
        beliefs = random_rows(500, labels, 2.0, seed=labels)
        beliefs[0] = 0.0
        beliefs[0, 1] = 1.0  # a certain one
        prior = random_rows(500, labels, 3.0, seed=labels + 1)
        found = as_sure_as_the_photo(beliefs.copy(), prior, per_label)
        assert np.isfinite(found).all()
        assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
        np.testing.assert_array_equal(found.argmax(axis=1), beliefs.argmax(axis=1))
        ranked = np.take_along_axis(found, np.argsort(beliefs, axis=1, kind="stable"), axis=1)
        assert (np.diff(ranked, axis=1) >= -1e-7).all()


def test_a_crowd_that_no_label_is_for_is_shown_as_less_sure_than_one_that_its_photos_speak_for() -> None:
    embeddings, truth, _ = clusters()
    strange = truth == 4
    known = np.eye(4, dtype=np.float32)[np.minimum(truth, 3)]
    prior = 0.6 * known + np.float32(0.1)
    prior[strange] = np.array([0.28, 0.24, 0.24, 0.24], dtype=np.float32)
    beliefs = PoolModel(embeddings, prior).propagate(np.zeros(0, dtype=np.intp), np.zeros((0, 4), dtype=np.float32))
    assert (beliefs.argmax(axis=1) == truth)[~strange].mean() > 0.95
    assert beliefs[~strange].max(axis=1).mean() > 0.85
    assert beliefs[strange].max(axis=1).mean() < 0.85
