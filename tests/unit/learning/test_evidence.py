from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.learning.evidence import mix_with_prior
from backend.learning.pool_model import PoolModel
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit

NOTHING = np.zeros(2, np.float32)


def rough_prior(truth: np.ndarray, labels: int = 5, seed: int = 0) -> np.ndarray:
    """A prior that is right on the whole and wrong on three photos of ten."""
    rng = np.random.default_rng(seed)
    prior = np.full((truth.size, labels), 0.1, dtype=np.float32)
    guess = np.where(rng.random(truth.size) < 0.3, rng.integers(labels, size=truth.size), truth)
    prior[np.arange(truth.size), guess] = 0.6
    return prior / prior.sum(axis=1, keepdims=True)


def test_a_label_without_annotations_keeps_its_prior_and_yields_only_nearby() -> None:
    prior = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]], dtype=np.float32)
    nothing = mix_with_prior(np.zeros((3, 2), np.float32), np.zeros(2, np.float32), prior, NOTHING)
    assert nothing.argmax(axis=1).tolist() == [0, 1, 1]
    # Label 0 is annotated on photo 1; a hundredth of it reaches photo 2.
    spread = np.array([[0.0, 0], [1.0, 0], [0.01, 0]], dtype=np.float32)
    mixed = mix_with_prior(spread, np.array([1, 0], np.float32), prior, prior[1])
    assert mixed.argmax(axis=1).tolist() == [0, 0, 1]


def test_many_annotations_silence_the_prior() -> None:
    prior = np.array([[0.9, 0.1], [0.1, 0.9]], dtype=np.float32)
    spread = np.array([[0.0, 5.0], [5.0, 0.0]], dtype=np.float32)
    mixed = mix_with_prior(spread, np.array([5, 5], np.float32), prior, 5 * prior.sum(axis=0))
    assert mixed.argmax(axis=1).tolist() == [1, 0]


def test_a_label_that_the_prior_sees_everywhere_takes_no_photo_from_others() -> None:
    prior = np.array([[0.6, 0.4], [0.0, 0.4], [0.0, 0.4]], dtype=np.float32)
    mixed = mix_with_prior(np.zeros((3, 2), np.float32), np.zeros(2, np.float32), prior, NOTHING)
    assert mixed[0].argmax() == 0


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), labels=st.integers(1, 6), seed=st.integers(0, 99), strength=st.floats(0.01, 10.0))
def test_what_is_mixed_is_finite_and_not_negative(n: int, labels: int, seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    prior = rng.random((n, labels)).astype(np.float32)
    prior[:, 0] = 0
    prior /= np.maximum(prior.sum(axis=1, keepdims=True), 1e-9)
    counts = rng.integers(0, 3, labels).astype(np.float32)
    expected = (rng.random(labels) * counts.sum()).astype(np.float32)
    spread = rng.random((n, labels)).astype(np.float32) * counts
    mixed = mix_with_prior(spread, counts, prior, expected, strength=strength)
    assert np.isfinite(mixed).all()
    assert (mixed >= 0).all()


def test_a_label_that_was_expected_and_never_given_gives_way_in_its_crowd() -> None:
    # A crowd of ten photos in which the prior sees softball rather than baseball; four of them were baseball.
    prior = np.tile(np.array([[0.4, 0.6]], np.float32), (10, 1))
    prior = np.concatenate([prior, np.array([[0.5, 0.5]], np.float32).repeat(10, axis=0)])
    spread = np.zeros((20, 2), np.float32)
    spread[:10, 0] = 0.2
    counts = np.array([4, 0], np.float32)
    unheard = mix_with_prior(spread.copy(), counts, prior, NOTHING)
    heard = mix_with_prior(spread.copy(), counts, prior, 4 * prior[0])

    def softball(mixed: np.ndarray) -> float:
        return float((mixed[:10, 1] / mixed[:10].sum(axis=1)).mean())

    assert softball(heard) < 0.75 * softball(unheard)


def test_labels_of_which_no_photo_exists_cost_little() -> None:
    features, truth, _ = clusters()
    prior = rough_prior(truth)
    # Each label has three relatives that occur nowhere, and that the prior likes as much.
    longer = np.repeat(prior, 4, axis=1) / 4
    rows = np.concatenate([np.flatnonzero(truth == label)[:4] for label in range(5)])
    few = PoolModel(features, prior).propagate(rows, np.eye(5, dtype=np.float32)[truth[rows]])
    many = PoolModel(features, longer).propagate(rows, np.eye(20, dtype=np.float32)[4 * truth[rows]])
    assert (many.argmax(axis=1) == 4 * truth).mean() >= (few.argmax(axis=1) == truth).mean() - 0.02


def test_one_annotation_leaves_the_suggestions_elsewhere_as_they_were() -> None:
    embeddings, truth, _ = clusters()
    model = PoolModel(embeddings, rough_prior(truth))
    before = model.propagate(np.zeros(0, dtype=int), np.zeros((0, 5), np.float32)).argmax(axis=1)
    row = int(np.flatnonzero(truth == 0)[0])
    after = model.propagate(np.array([row]), np.eye(5, dtype=np.float32)[[0]]).argmax(axis=1)
    others = truth != 0
    assert (after == before)[others].mean() > 0.97
    assert (after == truth).mean() >= (before == truth).mean() - 0.01
