from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.learning.evidence import mix_with_prior
from backend.learning.pool_model import PoolModel
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit


def rough_prior(truth: np.ndarray, labels: int = 5, seed: int = 0) -> np.ndarray:
    """A prior that is right on the whole and wrong on three photos of ten."""
    rng = np.random.default_rng(seed)
    prior = np.full((truth.size, labels), 0.1, dtype=np.float32)
    guess = np.where(rng.random(truth.size) < 0.3, rng.integers(labels, size=truth.size), truth)
    prior[np.arange(truth.size), guess] = 0.6
    return prior / prior.sum(axis=1, keepdims=True)


def test_a_label_without_annotations_keeps_its_prior_and_yields_only_nearby() -> None:
    prior = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]], dtype=np.float32)
    nothing = mix_with_prior(np.zeros((3, 2), np.float32), np.zeros(2, np.float32), prior)
    assert nothing.argmax(axis=1).tolist() == [0, 1, 1]
    # Label 0 is annotated on photo 1; a hundredth of it reaches photo 2.
    spread = np.array([[0.0, 0], [1.0, 0], [0.01, 0]], dtype=np.float32)
    mixed = mix_with_prior(spread, np.array([1, 0], np.float32), prior)
    assert mixed.argmax(axis=1).tolist() == [0, 0, 1]


def test_many_annotations_silence_the_prior() -> None:
    prior = np.array([[0.9, 0.1], [0.1, 0.9]], dtype=np.float32)
    spread = np.array([[0.0, 5.0], [5.0, 0.0]], dtype=np.float32)
    mixed = mix_with_prior(spread, np.array([5, 5], np.float32), prior)
    assert mixed.argmax(axis=1).tolist() == [1, 0]


def test_a_label_that_the_prior_sees_everywhere_takes_no_photo_from_others() -> None:
    prior = np.array([[0.6, 0.4], [0.0, 0.4], [0.0, 0.4]], dtype=np.float32)
    mixed = mix_with_prior(np.zeros((3, 2), np.float32), np.zeros(2, np.float32), prior)
    assert mixed[0].argmax() == 0


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), labels=st.integers(1, 6), seed=st.integers(0, 99), strength=st.floats(0.01, 10.0))
def test_what_is_mixed_is_finite_and_not_negative(n: int, labels: int, seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    prior = rng.random((n, labels)).astype(np.float32)
    prior[:, 0] = 0
    prior /= np.maximum(prior.sum(axis=1, keepdims=True), 1e-9)
    counts = rng.integers(0, 3, labels).astype(np.float32)
    mixed = mix_with_prior(rng.random((n, labels)).astype(np.float32) * counts, counts, prior, strength=strength)
    assert np.isfinite(mixed).all()
    assert (mixed >= 0).all()


def test_one_annotation_leaves_the_suggestions_elsewhere_as_they_were() -> None:
    embeddings, truth, _ = clusters()
    model = PoolModel(embeddings, rough_prior(truth))
    before = model.propagate(np.zeros(0, dtype=int), np.zeros((0, 5), np.float32)).argmax(axis=1)
    row = int(np.flatnonzero(truth == 0)[0])
    after = model.propagate(np.array([row]), np.eye(5, dtype=np.float32)[[0]]).argmax(axis=1)
    others = truth != 0
    assert (after == before)[others].mean() > 0.97
    assert (after == truth).mean() >= (before == truth).mean() - 0.01
