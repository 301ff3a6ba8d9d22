from __future__ import annotations

import numpy as np
import pytest

from backend.priority.unknown import MIDDLE, unknown_score

pytestmark = pytest.mark.unit


def test_hand_computed() -> None:
    # One logit of 1 among C - 1 zeros stands out by (1 - 1/C) / sqrt(1/C - 1/C^2) = sqrt(C - 1) standard deviations.
    logits = np.zeros((1, 101), dtype=np.float32)
    logits[0, 7] = 1.0
    assert unknown_score(logits)[0] == pytest.approx(1 / (1 + np.exp(10.0 - MIDDLE)), rel=1e-4)


def test_the_less_a_class_stands_out_the_more_unknown_whatever_the_contrast() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 1000)).astype(np.float32)
    peaks = np.array([[0.0], [6.0], [12.0]], dtype=np.float32) * np.eye(1, 1000, dtype=np.float32)
    scores = unknown_score(noise + peaks)
    assert scores[0] > scores[1] > scores[2]
    assert unknown_score(3.0 * (noise + peaks) + 5.0) == pytest.approx(scores, abs=1e-3)


def test_flat_and_broken_logits_are_unknown() -> None:
    logits = np.zeros((3, 10), dtype=np.float32)
    logits[1, 0] = np.nan
    logits[2, 0] = np.inf
    scores = unknown_score(logits)
    assert scores[0] == pytest.approx(1.0, abs=1e-3)
    assert scores[1:].tolist() == [1.0, 1.0]
    assert unknown_score(np.zeros((0, 10), np.float32)).shape == (0,)
