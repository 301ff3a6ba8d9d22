from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from backend.learning.calibration import cross_entropy, fit_temperature, reliability, temperature_of, tempered

pytestmark = pytest.mark.unit


def test_expected_error_of_a_table_computed_by_hand() -> None:
    confidence = np.array([0.95, 0.85, 0.15, 0.55])
    correct = np.array([True, False, False, True])
    curve = reliability(confidence, correct, bins=2)
    assert curve.counts.tolist() == [1, 3]
    # Lower bin: |0 - 0.15|; upper: |2/3 - (0.95 + 0.85 + 0.55) / 3|, weighted 1 : 3.
    assert curve.expected_error == pytest.approx((0.15 + 3 * abs(2 / 3 - 2.35 / 3)) / 4)


def test_bins_hold_their_upper_edge_and_the_ends() -> None:
    curve = reliability(np.array([0.0, 0.5, 1.0]), np.array([True, True, True]), bins=2)
    assert curve.counts.tolist() == [2, 1]


def test_nothing_predicted_is_no_error() -> None:
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)).expected_error == 0.0


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_temperature_undoes_a_known_sharpening(sharpness: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])
    assert fit_temperature(logits * sharpness, np.eye(5)[labels]) == pytest.approx(sharpness, rel=0.1)


def test_temperature_of_several_labels_a_photo() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    targets = (rng.random(logits.shape) < expit(logits)).astype(float)
    assert fit_temperature(logits * 3, targets, multiple=True) == pytest.approx(3, rel=0.1)


def test_a_few_photos_that_are_all_right_do_not_make_certain() -> None:
    logits = np.eye(4) * 5
    certainty = softmax(logits / fit_temperature(logits, np.eye(4)), axis=1).max()
    assert 0.8 < certainty < 0.95


def test_temperature_without_photos_changes_nothing() -> None:
    assert fit_temperature(np.zeros((0, 4)), np.zeros((0, 4))) == 1.0


def test_cross_entropy_by_hand() -> None:
    logits = np.log(np.array([[0.7, 0.3], [0.2, 0.8]]))
    assert cross_entropy(logits, np.eye(2)) == pytest.approx(-(np.log(0.7) + np.log(0.8)) / 2)
    both = np.array([[0.0, np.log(3)]])  # sigmoid: 0.5 and 0.75
    assert cross_entropy(both, np.array([[1.0, 0.0]]), multiple=True) == pytest.approx(
        -(np.log(0.5) + np.log(0.25)) / 2
    )


def test_tempered_probabilities_are_as_sure_as_they_are_right() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.7  # the model says 0.99 and is right 7 times in 10
    probabilities = np.full((400, 3), 0.005, dtype=np.float32)
    probabilities[:, 0] = 0.99
    targets = np.zeros((400, 3), dtype=np.float32)
    targets[np.arange(400), np.where(right, 0, 1)] = 1.0
    rows = np.arange(200)
    found = tempered(probabilities, temperature_of(probabilities[rows], targets[rows]))
    assert abs(float(found[200:, 0].mean()) - 0.7) < 0.1
    assert np.allclose(found.sum(axis=1), 1.0, atol=1e-5)
    assert np.array_equal(found.argmax(axis=1), probabilities.argmax(axis=1))


def test_a_few_held_out_photos_calibrate_nothing() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    assert temperature_of(probabilities, probabilities) == 1.0
    assert tempered(probabilities, 1.0) is probabilities
