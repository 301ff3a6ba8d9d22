from __future__ import annotations

import numpy as np
import pytest

from backend.learning.pseudo_labels import with_pseudo_labels

pytestmark = pytest.mark.unit


def test_unlabelled_photos_count_by_their_confidence() -> None:
    found = with_pseudo_labels(
        np.array([[1.0, 0.0]]),
        np.array([[1.0, 0.0]], dtype=np.float32),
        np.array([[0.0, 1.0], [0.0, 2.0], [5.0, 5.0]]),
        np.array([[0.2, 0.8], [0.6, 0.4], [0.0, 0.0]], dtype=np.float32),
        weight=0.5,
    )
    assert found.embeddings.tolist() == [[1, 0], [0, 1], [0, 2]]  # nothing is believed of the last photo
    assert found.targets.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert found.weights.tolist() == pytest.approx([1.0, 0.4, 0.3])


def test_pseudo_labels_never_weigh_as_much_as_annotations() -> None:
    nothing = np.zeros((0, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="below 1"):
        with_pseudo_labels(nothing, nothing, nothing, nothing, weight=1.0)
