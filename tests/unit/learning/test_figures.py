from __future__ import annotations

import json

import numpy as np
import pytest

from backend.learning.calibration import temperature_of
from backend.learning.cross_validation import cross_validated, held_out_probabilities
from backend.learning.evaluation import evaluate
from backend.learning.figures import Figures, measure
from backend.learning.folds import stratified_folds
from backend.learning.pool_model import PoolModel

pytestmark = pytest.mark.unit


def test_the_headline_is_apart_from_what_else_was_measured() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(4, 0.3), 300).astype(np.float32)
    truth = np.array([rng.choice(4, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    targets = np.eye(4, dtype=np.float32)[truth]
    held = np.arange(30)
    unlabelled = np.arange(300) >= 100
    figures = measure(probabilities, unlabelled, (held, targets[held]), calibrators=100)
    assert figures.accuracy is not None
    assert (figures.accuracy.unlabelled, figures.accuracy.evaluation_photos) == (200, 30)
    assert figures.sample == evaluate(probabilities[held], targets[held])
    assert figures.crossed is None
    assert Figures.from_json(json.loads(json.dumps(figures.to_json()))) == figures


def test_what_is_not_calibrated_goes_by_the_sample_alone() -> None:
    probabilities = np.tile(np.array([[0.6, 0.4]], np.float32), (50, 1))
    held = (np.arange(5), np.tile(np.array([[1.0, 0.0]], np.float32), (5, 1)))
    found = measure(probabilities, np.ones(50, bool), held, calibrators=0).accuracy
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.566, abs=1e-3)


def test_nothing_held_out_is_nothing_known() -> None:
    probabilities = np.full((9, 3), 1 / 3, dtype=np.float32)
    none = (np.zeros(0, dtype=np.intp), np.zeros((0, 3), dtype=np.float32))
    for multiple in (False, True):
        assert measure(probabilities, np.ones(9, bool), none, calibrators=20, multiple=multiple) == Figures()
    assert Figures.from_json({}) == Figures()


def test_figures_of_earlier_releases_are_read_under_their_true_name() -> None:
    old = evaluate(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)).to_json()
    assert Figures.from_json(old).sample is not None
    assert Figures.from_json({**old, "judged_by": "evaluation sample"}).crossed is None
    crossed = Figures.from_json({**old, "judged_by": "cross-validation"})
    assert crossed.sample is None
    assert crossed.crossed is not None


def test_cross_validation_tells_no_photo_its_own_label() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    embeddings = (rng.normal(0, 1, (3, 16))[labels] + rng.normal(0, 0.3, (60, 16))).astype(np.float16)
    model = PoolModel(embeddings, np.full((60, 3), 1 / 3, dtype=np.float32))
    rows = np.arange(30)
    wrong = np.eye(3, dtype=np.float32)[(labels[rows] + (rows == 7)) % 3]
    before = model.fork().propagate(rows, wrong)
    found, targets = cross_validated(model, rows, wrong)
    np.testing.assert_array_equal(targets, wrong)
    assert before[7].argmax() == wrong[7].argmax()
    assert found[7].argmax() == labels[7]
    assert (found.argmax(axis=1) == labels[rows]).mean() > 0.9
    np.testing.assert_array_equal(cross_validated(model, rows, wrong)[0], found)


def test_cross_validation_tells_no_photo_the_label_of_its_copy() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    photos = rng.normal(0, 1, (3, 64))[labels] + rng.normal(0, 0.7, (60, 64))
    copies = photos[:5] + rng.normal(0, 0.05, (5, 64))
    prior = np.full((65, 3), 1 / 3, dtype=np.float32)
    model = PoolModel(np.concatenate([photos, copies]).astype(np.float16), prior)
    rows = np.r_[np.arange(30), 60:65]
    targets = np.eye(3, dtype=np.float32)[np.r_[labels[:30], (labels[:5] + 1) % 3]]  # the copies are answered wrongly
    assert sorted(model.pairs_of(np.arange(5))[1].tolist()) == [60, 61, 62, 63, 64]
    held, found = held_out_probabilities(model, rows, targets)
    assert held.all()
    assert (found[:5].argmax(axis=1) == labels[:5]).all(), "told by others, not by the copy"
    without, truth = cross_validated(model, np.arange(30), targets[:30])
    honest = found[:30]
    assert temperature_of(honest, targets[:30]) == pytest.approx(temperature_of(without, truth), rel=0.3)


def test_copies_are_held_out_together() -> None:
    rng = np.random.default_rng(0)
    targets = np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2, 2, 0]]
    groups = np.array([0, 0, 1, 2, 3, 4, 4, 5, 5, 6])
    fold = stratified_folds(targets, 5, rng, groups=groups)
    assert fold[0] == fold[1] >= 0
    assert fold[5] == fold[6] >= 0
    assert (fold[7:9] == -1).all(), "both photos of the label are one picture: without them nobody could know it"
    alone = [stratified_folds(targets, 5, np.random.default_rng(0), groups=chosen) for chosen in (None, np.arange(10))]
    np.testing.assert_array_equal(*alone)


def test_a_label_that_only_a_copy_got_is_never_held_out() -> None:
    targets = np.eye(2)[[0, 0, 0, 1]]
    fold = stratified_folds(targets, 5, np.random.default_rng(0), groups=np.array([0, 1, 2, 2]))
    assert (fold[2:] == -1).all()
    assert (fold[:2] >= 0).all()


def test_the_only_photo_of_a_label_is_never_held_out() -> None:
    labels = np.r_[np.arange(30) % 3, 3]
    embeddings = np.random.default_rng(0).normal(0, 1, (31, 8)).astype(np.float16)
    model = PoolModel(embeddings, np.full((31, 4), 1 / 4, dtype=np.float32))
    targets = np.eye(4, dtype=np.float32)[labels]
    assert len(cross_validated(model, np.arange(31), targets)[0]) == 30
    none = np.zeros(0, dtype=np.intp)
    assert cross_validated(model, none, targets[:0])[0].shape == (0, 4)
