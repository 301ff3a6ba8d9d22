"""Which photos go on a sheet: by class, look, worth and cost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.priority.sheets import AnswerTimes, Sheet, SheetOptions, best_sheet, irrelevant_sheet, sheet_is_better

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]


def two_looks(each: int, confidence: float, seed: int = 0) -> tuple[Floats, Floats]:
    """Probabilities [2 each, 3] and unit features [2 each, 8] of photos of class 0 in two looks."""
    rng = np.random.default_rng(seed)
    centres = np.eye(8, dtype=np.float32)[:2]
    features = np.repeat(centres, each, axis=0) + 0.05 * rng.normal(size=(2 * each, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    probabilities = np.full((2 * each, 3), (1 - confidence) / 2, dtype=np.float32)
    probabilities[:, 0] = confidence
    return probabilities, features


def test_a_sheet_holds_photos_of_one_class_that_look_alike() -> None:
    probabilities, features = two_looks(30, 0.9)
    sheet = best_sheet(probabilities, features.__getitem__, np.ones(60, dtype=bool))
    assert sheet is not None
    assert (sheet.label, sheet.rows.size) == (0, 24)
    assert len({int(row) // 30 for row in sheet.rows}) == 1  # one of the two looks
    assert sheet.expected_right == pytest.approx(0.9)


def test_only_eligible_photos_are_shown() -> None:
    probabilities, features = two_looks(30, 0.9)
    eligible = np.zeros(60, dtype=bool)
    eligible[:10] = True
    sheet = best_sheet(probabilities, features.__getitem__, eligible)
    assert sheet is not None
    assert sorted(sheet.rows) == list(range(10))
    assert best_sheet(probabilities, features.__getitem__, np.zeros(60, dtype=bool)) is None


def test_where_most_answers_would_be_corrections_there_is_no_sheet() -> None:
    probabilities, features = two_looks(30, 0.6)
    everything = np.ones(60, dtype=bool)
    assert best_sheet(probabilities, features.__getitem__, everything) is None
    lenient = SheetOptions(fewest_right=0.5)
    assert best_sheet(probabilities, features.__getitem__, everything, options=lenient) is not None


def test_too_few_photos_make_no_sheet_and_excluded_labels_none_either() -> None:
    probabilities, features = two_looks(30, 0.9)
    few = np.zeros(60, dtype=bool)
    few[:3] = True
    assert best_sheet(probabilities, features.__getitem__, few) is None
    excluded = np.array([True, False, False])
    everything = np.ones(60, dtype=bool)
    assert best_sheet(probabilities, features.__getitem__, everything, excluded_labels=excluded) is None


def test_of_two_looks_the_one_that_teaches_more_per_second_comes_first() -> None:
    probabilities, features = two_looks(24, 0.99)
    probabilities[24:] = [0.85, 0.1, 0.05]  # less sure: each answer there teaches more than it costs
    sheet = best_sheet(probabilities, features.__getitem__, np.ones(48, dtype=bool))
    assert sheet is not None
    assert set(sheet.rows.tolist()) == set(range(24, 48))
    # value = (sum of doubts + floor) / (glances + corrections), by hand
    doubts = 24 * 0.15
    assert sheet.value == pytest.approx((doubts + 0.05 * 24) / (0.7 * 24 + 4.0 * doubts), rel=1e-4)


def test_features_are_asked_for_few_classes_only() -> None:
    n_labels, each = 40, 10
    rng = np.random.default_rng(1)
    probabilities = np.full((n_labels * each, n_labels), 0.1 / (n_labels - 1), dtype=np.float32)
    probabilities[np.arange(n_labels * each), np.repeat(np.arange(n_labels), each)] = 0.9
    features = rng.normal(size=(n_labels * each, 4)).astype(np.float32)
    asked: list[int] = []

    def look(rows: NDArray[np.intp]) -> Floats:
        asked.append(rows.size)
        found: Floats = features[rows]
        return found

    assert best_sheet(probabilities, look, np.ones(n_labels * each, dtype=bool)) is not None
    assert len(asked) == SheetOptions().classes


def test_strangers_are_those_that_belong_least_and_look_alike() -> None:
    relevance = np.array([0.9, 0.1, 0.2, 0.8, 0.15, 0.4], dtype=np.float32)
    features = np.eye(6, dtype=np.float32)
    features[4] = features[1]
    sheet = irrelevant_sheet(relevance, features.__getitem__, np.ones(6, dtype=bool), 3, size=2)
    assert sheet is not None
    assert (sheet.label, set(sheet.rows.tolist())) == (3, {1, 4})
    assert irrelevant_sheet(np.ones(6, dtype=np.float32), features.__getitem__, np.ones(6, dtype=bool), 3) is None


def test_seconds_of_a_sheet() -> None:
    assert AnswerTimes().sheet(24, 3) == pytest.approx(24 * 0.7 + 3 * 4.0)


def test_a_sheet_waits_until_single_photos_teach_less() -> None:
    sheet = Sheet(0, np.arange(24), 0.96, 0.1)  # 0.1 a second; a single photo of doubt d teaches (d + 0.05) / 4
    unsure = np.full((100, 4), 0.25, dtype=np.float32)
    sure = np.tile(np.array([0.97, 0.01, 0.01, 0.01], dtype=np.float32), (100, 1))
    assert not sheet_is_better(sheet, unsure)
    assert sheet_is_better(sheet, sure)
    few = sure.copy()
    few[:24] = 0.25  # a few hard photos are worth more than the sheet, however sure the rest is
    assert not sheet_is_better(sheet, few)
    assert not sheet_is_better(Sheet(0, np.arange(24), 0.96, 0.0), sure)
    assert not sheet_is_better(sheet, np.zeros((0, 4), dtype=np.float32))
