from __future__ import annotations

import numpy as np
import pytest

from backend.errors import BackendError
from backend.learning.adaptation import AdaptationOptions, train_projection
from backend.learning.transform import FeatureTransform, fit_whitening
from backend.learning.triplets import Triplets, triplet_loss

pytestmark = pytest.mark.unit

LABELS = 5


def noisy(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels live in 4 of 24 axes; the other 20 are louder and mean nothing."""
    centres = np.random.default_rng(1).normal(size=(LABELS, 4)) * 2
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % LABELS
    meaning = centres[labels] + rng.normal(size=(count, 4)) * 0.4
    return np.concatenate([meaning, rng.normal(size=(count, 20)) * 3], axis=1).astype(np.float32), labels


def nearest_is_right(
    transform: FeatureTransform, known: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray]
) -> float:
    """Share of the held-out photos whose most similar known photo has their label: what a graph lives on."""
    nearest = (transform.apply(held_out[0]) @ transform.apply(known[0]).T).argmax(axis=1)
    return float((known[1][nearest] == held_out[1]).mean())


@pytest.mark.parametrize(
    ("loss", "triplets"), [("softmax", "hard"), ("triplet", "hard"), ("triplet", "semi-hard"), ("triplet", "all")]
)
def test_neighbours_agree_more_after_adaptation(loss: str, triplets: str) -> None:
    known, held_out = noisy(150, 0), noisy(150, 1)
    base = fit_whitening(known[0], components=24, whitening=0.0)
    seen: list[float] = []
    adapted = train_projection(
        *known,
        base,
        AdaptationOptions(loss=loss, triplets=triplets, dimensions=24, learning_rate=0.01),  # type: ignore[arg-type]
        progress=lambda part, message: seen.append(part),
    )
    before = nearest_is_right(base, known, held_out)
    after = nearest_is_right(adapted, known, held_out)
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


@pytest.mark.parametrize("triplets", ["hard", "semi-hard", "all"])
def test_the_losses_are_those_of_a_plain_count(triplets: Triplets) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(9, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    expected = []
    for anchor in range(9):
        positives = [other for other in range(9) if labels[other] == labels[anchor] and other != anchor]
        negatives = [distances[anchor, other] for other in range(9) if labels[other] != labels[anchor]]
        losses = []
        for positive in distances[anchor, positives]:
            if triplets == "all":
                losses += [loss for other in negatives if (loss := positive - other + 0.3) > 0]
                continue
            farther = [other for other in negatives if other > positive]
            nearest = min(farther) if farther else max(negatives)
            losses.append(max(0.0, positive - nearest + 0.3))
        if triplets == "hard":
            losses = [max(0.0, distances[anchor, positives].max() - min(negatives) + 0.3)]
        expected.append(np.mean(losses) if losses else 0.0)
    found = np.asarray(triplet_loss(triplets, 0.3)(labels, rows))
    np.testing.assert_allclose(found, expected, atol=1e-3)
