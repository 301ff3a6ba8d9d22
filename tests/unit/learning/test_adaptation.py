from __future__ import annotations

import numpy as np
import pytest

from backend.errors import BackendError
from backend.learning.adaptation import AdaptationOptions, nearest_neighbour_scores, train_projection
from backend.learning.transform import fit_whitening

pytestmark = pytest.mark.unit

LABELS = 5


def noisy(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels live in 4 of 24 axes; the other 20 are louder and mean nothing."""
    centres = np.random.default_rng(1).normal(size=(LABELS, 4)) * 2
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % LABELS
    meaning = centres[labels] + rng.normal(size=(count, 4)) * 0.4
    return np.concatenate([meaning, rng.normal(size=(count, 20)) * 3], axis=1).astype(np.float32), labels


@pytest.mark.parametrize("loss", ["softmax", "triplet"])
def test_neighbours_agree_more_after_adaptation(loss: str) -> None:
    known, held_out = noisy(150, 0), noisy(150, 1)
    base = fit_whitening(known[0], components=24, whitening=0.0)
    seen: list[float] = []
    adapted = train_projection(
        *known,
        base,
        AdaptationOptions(loss=loss, dimensions=24, learning_rate=0.01),  # type: ignore[arg-type]
        progress=lambda part, message: seen.append(part),
    )
    before = nearest_neighbour_scores(base, known, held_out).mean()
    after = nearest_neighbour_scores(adapted, known, held_out).mean()
    assert after > before + 0.15
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    np.testing.assert_allclose(np.linalg.norm(adapted.apply(held_out[0]), axis=1), 1, atol=1e-5)


def test_strong_anchoring_changes_nothing() -> None:
    embeddings, labels = noisy(40, 0)
    base = fit_whitening(embeddings, components=24)
    adapted = train_projection(embeddings, labels, base, AdaptationOptions(dimensions=24, anchoring=1e4, steps=20))
    np.testing.assert_allclose(adapted.apply(embeddings), base.apply(embeddings), atol=0.02)


def test_needs_two_photos_of_two_labels() -> None:
    embeddings, _ = noisy(4, 0)
    base = fit_whitening(embeddings)
    with pytest.raises(BackendError, match="two labels with two annotated photos") as few:
        train_projection(embeddings, np.array([0, 0, 1, 2]), base)
    assert few.value.reason == "too_few_annotations"


def test_nearest_neighbour_scores_by_hand() -> None:
    from backend.learning.transform import FeatureTransform

    identity = FeatureTransform(np.zeros(2, dtype=np.float32))
    known = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([7, 8])
    held_out = np.array([[2.0, 0.1], [0.1, 3.0], [5.0, 1.0]]), np.array([7, 8, 8])
    assert nearest_neighbour_scores(identity, known, held_out).tolist() == [1.0, 1.0, 0.0]
