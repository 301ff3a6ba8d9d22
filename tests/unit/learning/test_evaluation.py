from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from backend.learning.evaluation import Evaluation, evaluate, photo_scores, wilson_interval

pytestmark = pytest.mark.unit

PROBABILITIES = np.array([[0.8, 0.1, 0.1, 0], [0.6, 0.3, 0.1, 0], [0.2, 0.7, 0.1, 0], [0.1, 0.2, 0.7, 0]])
TARGETS = np.eye(4)[[0, 1, 1, 2]]


def test_a_table_computed_by_hand() -> None:
    found = evaluate(PROBABILITIES, TARGETS)
    assert found.photos == 4
    assert found.accuracy == 0.75
    by_label = {score.label: score for score in found.labels}
    assert set(by_label) == {0, 1, 2}  # label 3 was neither annotated nor predicted
    assert (by_label[0].precision, by_label[0].recall, by_label[0].support) == (0.5, 1.0, 1)
    assert (by_label[1].precision, by_label[1].recall, by_label[1].support) == (1.0, 0.5, 2)
    assert found.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert found.confusion_matrix(4).tolist() == expected
    # Bins of 1/15: 0.8 right; 0.6 wrong; twice 0.7 right.
    assert found.calibration_error == pytest.approx((0.2 + 0.6 + 2 * 0.3) / 4)


def test_wilson_interval_of_the_textbook() -> None:
    low, high = wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_several_labels_a_photo() -> None:
    probabilities = np.array([[0.9, 0.6, 0.1], [0.4, 0.8, 0.1], [0.1, 0.1, 0.2]])
    targets = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=float)
    found = evaluate(probabilities, targets, multiple=True)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.confusion == ()
    assert {score.label: score.recall for score in found.labels} == {0: 0.5, 1: 1.0}
    assert photo_scores(probabilities, targets, multiple=True).tolist() == [1.0, 0.5, 1.0]


def test_several_labels_a_photo_of_which_one_alone_was_given() -> None:
    probabilities, targets = np.array([[0.9, 0.1], [0.1, 0.1]]), np.array([[1.0, 0.0], [0.0, 0.0]])
    (score,) = evaluate(probabilities, targets, multiple=True).labels
    assert (score.label, score.precision, score.recall, score.f1, score.support) == (0, 1.0, 1.0, 1.0, 1)


def test_goes_through_json_unchanged() -> None:
    found = evaluate(PROBABILITIES, TARGETS)
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 1000))
def test_properties(photos: int, labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(labels), photos)
    targets = np.eye(labels)[rng.integers(0, labels, photos)]
    found = evaluate(probabilities, targets)
    assert found.accuracy == photo_scores(probabilities, targets).mean()
    assert 0 <= found.accuracy_low <= found.accuracy <= found.accuracy_high <= 1
    assert 0 <= found.calibration_error <= 1
    matrix = found.confusion_matrix(labels)
    assert matrix.sum() == photos
    assert np.trace(matrix) == round(found.accuracy * photos)
    assert {score.label: score.support for score in found.labels if score.support} == {
        label: int(row.sum()) for label, row in enumerate(matrix) if row.sum()
    }


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="must both be"):
        evaluate(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="no held-out photo"):
        evaluate(np.ones((0, 3)), np.ones((0, 3)))


@given(st.integers(0, 3000), st.integers(1, 3000), st.floats(0.5, 0.999))
def test_wilson_interval_is_that_of_scipy(successes: int, trials: int, confidence: float) -> None:
    successes = min(successes, trials)
    wanted = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert wilson_interval(successes, trials, confidence) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
