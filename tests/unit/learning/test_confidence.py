"""How sure a suggestion is shown to be: the photo's own prior has a say, the named label stays."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.calibration import tempered
from backend.learning.confidence import as_sure_as_the_photo, still_depicted
from backend.learning.out_of_sample import extend_from
from backend.learning.pool_model import PoolModel
from backend.priority.reasons import is_tied
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit


def random_rows(n: int, labels: int, sharpness: float, seed: int) -> np.ndarray:
    values = np.exp(sharpness * np.random.default_rng(seed).normal(size=(n, labels)))
    rows: np.ndarray = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return rows


@pytest.mark.parametrize(
    ("depicted", "per_label", "odds"),
    [
        (False, 0.0, 4.0**0.2 * 4.0**0.8),
        (False, 1.0, 4.0**0.8 * 4.0**0.2),
        (True, 0.0, 2.0**1.3),
        (True, 10.0, 4.0**0.75 * 2.0 ** (1.3 * 0.25)),
    ],
)
def test_odds_of_the_named_label_are_those_of_crowd_and_photo(depicted: bool, per_label: float, odds: float) -> None:
    beliefs = np.array([[0.8, 0.15, 0.04, 0.01]], dtype=np.float32)
    prior = np.array([[0.5, 0.3, 0.1, 0.1]], dtype=np.float32)
    known = np.array([depicted, False, False, False])
    found = as_sure_as_the_photo(beliefs.copy(), prior, per_label, depicted=known)
    assert found[0, 0] == pytest.approx(odds / (1 + odds), rel=1e-4)
    doubt = max(0.8 - found[0, 0], 0.0) if depicted else 0.0
    assert found[0, 1:] / (1 - found[0, 0]) == pytest.approx((beliefs[0, 1:] + doubt / 3) / (0.2 + doubt), rel=1e-3)


def test_a_crowd_is_not_believed_where_imagenet_would_see_the_label_and_sees_a_fifth_of_it() -> None:
    beliefs = np.array([[0.98, 0.01, 0.01]] * 2, dtype=np.float32)
    prior = np.array([[0.2, 0.4, 0.4], [0.9, 0.05, 0.05]], dtype=np.float32)
    linked = as_sure_as_the_photo(beliefs.copy(), prior, 0)[:, 0]
    depicted = as_sure_as_the_photo(beliefs.copy(), prior, 0, depicted=np.array([True, False, False]))[:, 0]
    assert linked[0] > 0.65
    assert depicted[0] < 0.35
    assert depicted[1] > 0.95


def test_what_a_crowd_claims_too_much_is_doubt_and_no_claim_of_the_label_that_it_takes_for_second() -> None:
    beliefs = np.full((1, 40), 0.0001, dtype=np.float32)
    beliefs[0, :2] = 0.98, 0.0162
    prior = np.full((1, 40), 0.8 / 39, dtype=np.float32)
    prior[0, 0] = 0.2
    found = as_sure_as_the_photo(beliefs.copy(), prior, 0, depicted=np.ones(40, dtype=bool))
    assert 0.25 < found[0, 0] < 0.35
    assert found[0, 1] < 0.05
    np.testing.assert_array_equal(np.argsort(-found[0], kind="stable")[:2], [0, 1])


@pytest.mark.parametrize("per_label", [0.0, 0.5])
def test_that_a_photo_does_not_belong_is_said_as_surely_as_it_is_believed_whatever_its_prior(per_label: float) -> None:
    beliefs = np.array([[0.1, 0.6, 0.3]] * 2, dtype=np.float32)
    prior = np.array([[0.6, 0.05, 0.35], [0.2, 0.7, 0.1]], dtype=np.float32)
    irrelevant = np.array([False, True, False])
    found = as_sure_as_the_photo(beliefs.copy(), prior, per_label, depicted=~irrelevant, irrelevant=irrelevant)
    assert found[0] == pytest.approx(found[1])
    assert 0.75 < found[0, 1] < 0.85
    new = as_sure_as_the_photo(beliefs.copy(), prior, per_label, irrelevant=irrelevant, new=True)
    assert 0.5 < new[0, 1] <= 0.6


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
        kinds = np.arange(labels) % 3
        found = as_sure_as_the_photo(
            beliefs.copy(), prior, per_label, depicted=kinds == 1, irrelevant=(kinds == 2) & (labels > 2)
        )
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


def test_a_label_that_imagenet_does_not_see_where_people_do_is_not_depicted() -> None:
    depicted = np.array([True, True, True, False])
    prior = np.array([[0.1, 0.1, 0.7, 0.1], [0.0, 0.2, 0.1, 0.7], [0.9, 0.0, 0.1, 0.0]], dtype=np.float32)
    targets = np.eye(4, dtype=np.float32)[[1, 1, 0]]
    assert still_depicted(depicted, prior[:1], targets[:1]).tolist() == [True, True, True, False]  # one may be an error
    assert still_depicted(depicted, prior, targets).tolist() == [True, False, True, False]
    embeddings, truth, _ = clusters()
    wrong = 0.9 * np.eye(5, dtype=np.float32)[np.array([1, 0, 2, 3, 4])[truth]] + np.float32(0.02)
    model = PoolModel(embeddings, wrong, depicted=np.ones(5, dtype=bool))
    rows = np.concatenate([np.flatnonzero(truth == label)[:3] for label in range(5)])
    linked = PoolModel(embeddings, wrong, depicted=np.array([False, False, True, True, True]))
    found, expected = (each.propagate(rows, np.eye(5, dtype=np.float32)[truth[rows]]) for each in (model, linked))
    assert np.array_equal(found, expected)


def test_texture_that_a_crowd_takes_for_a_label_of_imagenet_is_doubted_in_the_pool_and_outside_of_it() -> None:
    embeddings, truth, _ = clusters()
    prior = 0.9 * np.eye(5, dtype=np.float32)[truth] + np.float32(0.02)
    prior[truth == 4] = np.array([0.23, 0.2, 0.2, 0.19, 0.18], dtype=np.float32)  # a flat answer of ImageNet
    nobody = np.zeros(0, dtype=np.intp), np.zeros((0, 5), dtype=np.float32)
    before = PoolModel(embeddings, prior)
    model = PoolModel(embeddings, prior, depicted=np.ones(5, dtype=bool))
    sure_before, sure = (each.propagate(*nobody) for each in (before, model))
    np.testing.assert_array_equal(sure.argmax(axis=1), sure_before.argmax(axis=1))
    assert sure[truth == 4].max(axis=1).mean() < sure_before[truth == 4].max(axis=1).mean() - 0.1
    assert sure[truth != 4].max(axis=1).mean() > 0.9
    outside = model.extend(embeddings, prior)
    assert extend_from(model.export_extension(), embeddings, prior) == pytest.approx(outside, abs=0.02)
    assert outside[truth == 4].max(axis=1).mean() < 0.45
    assert outside[truth != 4].max(axis=1).mean() > 0.9


def test_a_label_that_is_doubted_stays_the_suggestion_in_the_rounded_numbers_of_a_snapshot() -> None:
    """A photo whose first two labels are level has no suggestion; doubt alone must not make them so."""
    beliefs = random_rows(2_000, 12, 1.5, seed=3)
    doubted = np.full_like(beliefs, 1.0 / 12)
    found = as_sure_as_the_photo(beliefs.copy(), doubted, 0, depicted=np.ones(12, dtype=bool))
    kept = found.astype(np.float16)
    np.testing.assert_array_equal(kept.argmax(axis=1), beliefs.argmax(axis=1))
    assert not any(is_tied(tempered(row[None], 3.0)[0]) for row in kept.astype(np.float32))
