"""Doubts about annotations: planted errors come first, a doubtful model accuses nobody."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.label_errors import DOUBTED, label_error_scores, likeliest_others

pytestmark = pytest.mark.unit


def beliefs(rng: np.random.Generator, truth: np.ndarray, sure: np.ndarray, labels: int) -> np.ndarray:
    """What a model may say: `sure` of the truth, the rest at random."""
    rest = rng.dirichlet(np.ones(labels), size=truth.size) * (1.0 - sure)[:, None]
    rest[np.arange(truth.size), truth] += sure
    return rest.astype(np.float32)


def test_planted_errors_come_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(5, size=400)
    given = truth.copy()
    wrong = rng.choice(400, 20, replace=False)
    given[wrong] = (truth[wrong] + 1 + rng.integers(4, size=20)) % 5
    doubts = label_error_scores(beliefs(rng, truth, rng.uniform(0.5, 0.95, 400), 5), given)
    assert set(np.argsort(-doubts)[:20]) == set(wrong)
    assert (doubts[np.setdiff1d(np.arange(400), wrong)] < DOUBTED).all()
    assert doubts.min() >= 0.0
    assert doubts.max() <= 1.0


def test_a_doubtful_model_accuses_nobody() -> None:
    held_out = np.array([[0.45, 0.55], [0.2, 0.8], [0.02, 0.98]], dtype=np.float32)
    assert (label_error_scores(held_out, np.array([0, 0, 0])) >= DOUBTED).tolist() == [False, False, True]


def test_nothing_is_doubted_of_nothing() -> None:
    assert label_error_scores(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)).shape == (0,)


def test_the_rival_is_the_likeliest_other_label() -> None:
    held_out = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], dtype=np.float32)
    assert likeliest_others(held_out, np.array([0, 1])).tolist() == [1, 2]
