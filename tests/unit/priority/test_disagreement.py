from __future__ import annotations

import numpy as np
import pytest

from backend.priority.disagreement import disagreement

pytestmark = pytest.mark.unit


def test_hand_computed_table() -> None:
    first = np.array([[1, 0], [1, 0], [0.5, 0.5]], dtype=np.float32)
    second = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    # H(3/4, 1/4) - H(1/2, 1/2) / 2 = 0.81128 - 0.5
    assert disagreement(first, second) == pytest.approx([0.0, 1.0, 0.31128], abs=1e-4)
    assert disagreement(second, first) == pytest.approx(disagreement(first, second))
