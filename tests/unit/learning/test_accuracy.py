"""The headline figure: unbiased, covered by its interval, narrow where the confidence tells something."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.learning.accuracy import AccuracyEstimate, accuracy_of_sample, estimate_accuracy

pytestmark = pytest.mark.unit

POOL = 2000
CALIBRATORS = 100


def calibrated_pool(rng: np.random.Generator, level: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences with a mean of about `level`, and whether the version is right: as often as they say."""
    confidence = rng.beta(6 * level, 6 * (1 - level), POOL)
    return confidence, rng.random(POOL) < confidence


@pytest.mark.parametrize("level", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("photos", [5, 10, 40, 200])
def test_the_interval_covers_the_truth(level: float, photos: int) -> None:
    rng = np.random.default_rng([photos, int(100 * level)])
    covered, plain, width = 0, 0.0, 0.0
    runs = 200
    for _ in range(runs):
        confidence, right = calibrated_pool(rng, level)
        sample = rng.choice(POOL, photos, replace=False)
        rest = np.setdiff1d(np.arange(POOL), sample)
        found = estimate_accuracy(confidence[rest], confidence[sample], right[sample], CALIBRATORS)
        assert found is not None
        covered += found.low <= right[rest].mean() <= found.high
        width += found.half_width / runs
        plain += 1.96 * np.sqrt(level * (1 - level) / photos) / runs
    assert covered >= 0.93 * runs
    assert width < plain


@pytest.mark.parametrize("better", [-0.15, 0.2])
@pytest.mark.parametrize(("photos", "calibrators"), [(4, 20), (8, 80), (15, 150)])
def test_a_confidence_that_is_off_as_in_hard_projects_is_covered(better: float, photos: int, calibrators: int) -> None:
    # 33 labels after 40 answers: expected are 0.65, and 0.85 are right. Hard photos: 0.5.
    rng = np.random.default_rng(photos)
    covered = 0
    for _ in range(200):
        confidence, _ = calibrated_pool(rng, 0.65)
        right = rng.random(POOL) < np.clip(confidence + better, 0.0, 1.0)
        sample = rng.choice(POOL, photos, replace=False)
        rest = np.setdiff1d(np.arange(POOL), sample)
        found = estimate_accuracy(confidence[rest], confidence[sample], right[sample], calibrators)
        assert found is not None
        covered += found.low <= right[rest].mean() <= found.high
    assert covered >= 170


def test_a_confidence_that_few_photos_calibrated_makes_the_interval_wider() -> None:
    confidence, right = calibrated_pool(np.random.default_rng(0), 0.8)
    few, many = (estimate_accuracy(confidence[10:], confidence[:10], right[:10], count) for count in (15, 500))
    assert few is not None
    assert many is not None
    assert few.half_width > many.half_width


@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_a_wrong_confidence_is_overruled_by_a_large_sample(shift: float) -> None:
    rng = np.random.default_rng(0)
    errors, covered = [], 0
    for _ in range(40):
        confidence, right = calibrated_pool(rng, 0.6)
        wrong = np.clip(confidence + shift, 0, 1)
        sample = rng.choice(POOL, 400, replace=False)
        rest = np.setdiff1d(np.arange(POOL), sample)
        found = estimate_accuracy(wrong[rest], wrong[sample], right[sample], CALIBRATORS)
        assert found is not None
        assert found.confidence == pytest.approx(wrong[rest].mean())
        errors.append(found.value - right[rest].mean())
        covered += found.low <= right[rest].mean() <= found.high
    assert abs(np.mean(errors)) < 0.02
    assert covered >= 36


def test_a_sample_that_is_harder_than_the_rest_does_not_pull_the_figure_down() -> None:
    # What was annotated for learning was the hard part: the sample still holds its share of it, the rest does not.
    rng = np.random.default_rng(1)
    confidence, right = calibrated_pool(rng, 0.7)
    sample = rng.choice(POOL, 100, replace=False)
    easy = np.setdiff1d(np.flatnonzero(confidence > np.quantile(confidence, 0.4)), sample)
    found = estimate_accuracy(confidence[easy], confidence[sample], right[sample], CALIBRATORS)
    assert found is not None
    assert found.low <= right[easy].mean() <= found.high
    assert right[sample].mean() < found.low


def test_certain_photos_do_not_make_the_interval_vanish() -> None:
    found = estimate_accuracy(np.ones(500), np.ones(8), np.ones(8), CALIBRATORS)
    assert found is not None
    assert found.value == 1.0
    assert found.low < 0.995


def test_without_a_basis_nothing_is_known() -> None:
    assert estimate_accuracy(np.full(10, 0.5), np.full(2, 0.5), np.ones(2), CALIBRATORS) is None
    assert estimate_accuracy(np.zeros(0), np.full(5, 0.5), np.ones(5), CALIBRATORS) is None
    assert accuracy_of_sample(np.ones(2, bool), 10) is None
    with pytest.raises(ValueError, match="2 confidences and 3 answers"):
        estimate_accuracy(np.zeros(5), np.zeros(2), np.zeros(3), CALIBRATORS)


def test_several_labels_a_photo_go_by_the_sample_alone() -> None:
    found = accuracy_of_sample(np.array([True] * 8 + [False] * 2), 90)
    assert found is not None
    assert (found.value, found.unlabelled, found.evaluation_photos) == (0.8, 90, 10)
    assert found.low == pytest.approx(0.490, abs=1e-3)
    assert found.high == pytest.approx(0.943, abs=1e-3)


def test_it_goes_to_json_and_back_and_reads_as_a_sentence() -> None:
    found = AccuracyEstimate(0.966, 0.93, 0.99, 1890, 11, 0.96)
    assert AccuracyEstimate.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.sentence() == "0.966 (95 % interval 0.930 to 0.990) of 1,890 unlabelled photos"
