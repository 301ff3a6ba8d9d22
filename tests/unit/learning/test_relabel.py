"""Relabel or new: disputed photos come before settled ones, and doubtful new ones before both where that helps more."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.relabel import trust_in_consensus

pytestmark = pytest.mark.unit


def test_disputed_photos_are_asked_before_settled_ones_and_sure_new_ones() -> None:
    sure, torn = [0.9, 0.05, 0.05], [0.4, 0.35, 0.25]
    beliefs = np.array([sure, torn, torn, sure, torn], dtype=np.float32)
    answers = [{1: 0, 2: 0}, {1: 0, 2: 1}, {1: 0, 2: 0}, {}, {}]
    settled, disputed, agreed, new_sure, new_torn = trust_in_consensus(beliefs, answers, {1: 0.8, 2: 0.8}, 0.8)
    assert disputed < agreed < settled
    assert disputed < new_sure
    assert new_torn < agreed
    assert all(0.0 <= value <= 1.0 for value in (settled, disputed, agreed, new_sure, new_torn))


def test_who_agrees_with_nobody_hardly_counts() -> None:
    beliefs = np.full((4, 3), 1 / 3, dtype=np.float32)
    answers = [{1: 0}, {2: 0}, {1: 1}, {1: 2}]
    good, bad, _, _ = trust_in_consensus(beliefs, answers, {1: 0.95, 2: 0.1}, 0.6)
    assert good > bad


def test_one_label_and_no_answers() -> None:
    assert trust_in_consensus(np.ones((2, 1), np.float32), [{}, {}], {}, 1.0).shape == (2,)
    assert trust_in_consensus(np.zeros((0, 3), np.float32), [], {}, 1.0).shape == (0,)
