from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.learning.batches import balanced_batches, balanced_weights, simple_batches
from backend.learning.folds import stratified_folds

pytestmark = pytest.mark.unit


def test_every_label_weighs_the_same() -> None:
    targets = np.eye(3)[[0] * 8 + [1] * 2]
    weights = balanced_weights(targets)
    assert weights[:8].sum() == pytest.approx(0.5)
    assert weights[8:].sum() == pytest.approx(0.5)


def test_photos_without_labels_count_as_one_more_label() -> None:
    weights = balanced_weights(np.array([[1.0], [0.0], [0.0]]))
    assert weights.tolist() == pytest.approx([0.5, 0.25, 0.25])


def test_balanced_batches_show_rare_labels_as_often_as_common_ones() -> None:
    labels = np.array([0] * 95 + [1] * 5)
    batches = list(islice(balanced_batches(np.eye(2)[labels], 20, np.random.default_rng(0)), 50))
    drawn = np.bincount(labels[np.concatenate(batches)], minlength=2)
    assert drawn.tolist() == [500, 500]


def test_simple_batches_show_every_photo_once_a_pass() -> None:
    batches = list(islice(simple_batches(10, 4, np.random.default_rng(0)), 5))
    assert [len(batch) for batch in batches] == [4] * 5
    assert np.bincount(np.concatenate(batches)).tolist() == [2] * 10


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(2, 5), st.integers(0, 100))
def test_folds_are_stratified_and_leave_every_label_something_to_learn(
    labels: list[int], folds: int, seed: int
) -> None:
    targets = np.eye(5)[labels]
    assigned = stratified_folds(targets, folds, np.random.default_rng(seed))
    for label in set(labels):
        of_label = assigned[np.array(labels) == label]
        if len(of_label) == 1:
            assert of_label.tolist() == [-1]
            continue
        counts = np.bincount(of_label, minlength=folds)
        assert counts.max() - counts.min() <= 1
        assert counts.max() < len(of_label)
