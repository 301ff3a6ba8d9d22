from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.learning.evidence import label_shares, mix_with_prior
from backend.learning.pool_model import PoolModel
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit


def mixed_with(spread: np.ndarray, counts: np.ndarray, prior: np.ndarray, **strength: float) -> np.ndarray:
    shares, _ = label_shares(counts, prior, **strength)
    return mix_with_prior(spread, counts, prior, shares, **strength)


def rough_prior(truth: np.ndarray, labels: int = 5, seed: int = 0) -> np.ndarray:
    """A prior that is right on the whole and wrong on three photos of ten."""
    rng = np.random.default_rng(seed)
    prior = np.full((truth.size, labels), 0.1, dtype=np.float32)
    guess = np.where(rng.random(truth.size) < 0.3, rng.integers(labels, size=truth.size), truth)
    prior[np.arange(truth.size), guess] = 0.6
    return prior / prior.sum(axis=1, keepdims=True)


def test_a_label_without_annotations_keeps_its_prior_and_yields_only_nearby() -> None:
    prior = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]], dtype=np.float32)
    nothing = mixed_with(np.zeros((3, 2), np.float32), np.zeros(2, np.float32), prior)
    assert nothing.argmax(axis=1).tolist() == [0, 1, 1]
    # Label 0 is annotated on photo 1; a hundredth of it reaches photo 2.
    spread = np.array([[0.0, 0], [1.0, 0], [0.01, 0]], dtype=np.float32)
    mixed = mixed_with(spread, np.array([1, 0], np.float32), prior)
    assert mixed.argmax(axis=1).tolist() == [0, 0, 1]


def test_many_annotations_silence_the_prior() -> None:
    prior = np.array([[0.9, 0.1], [0.1, 0.9]], dtype=np.float32)
    spread = np.array([[0.0, 5.0], [5.0, 0.0]], dtype=np.float32)
    mixed = mixed_with(spread, np.array([5, 5], np.float32), prior)
    assert mixed.argmax(axis=1).tolist() == [1, 0]


def test_a_label_that_the_prior_sees_nowhere_is_learned_from_its_first_annotation() -> None:
    embeddings, truth, _ = clusters(n=120, labels=4)
    prior = np.full((truth.size, 4), 0.2, dtype=np.float32)
    prior[np.arange(truth.size), truth] = 0.4
    prior[:, 3] = 0.0
    rows = np.array([np.flatnonzero(truth == label)[0] for label in range(4)])

    beliefs = PoolModel(embeddings, prior).propagate(rows, np.eye(4, dtype=np.float32))

    assert (beliefs.argmax(axis=1) == truth).mean() > 0.95


@pytest.mark.filterwarnings("error")
def test_a_prior_of_next_to_nothing_is_none() -> None:
    prior = np.array([[1.0, 1e-42], [1.0, 0.0]], dtype=np.float32)
    mixed = mixed_with(np.array([[0.0, 1], [1, 0]], np.float32), np.ones(2, np.float32), prior)
    assert np.isfinite(mixed).all()
    assert mixed.argmax(axis=1).tolist() == [1, 0]


def test_a_label_that_the_prior_sees_everywhere_takes_no_photo_from_others() -> None:
    prior = np.array([[0.6, 0.4], [0.0, 0.4], [0.0, 0.4]], dtype=np.float32)
    mixed = mixed_with(np.zeros((3, 2), np.float32), np.zeros(2, np.float32), prior)
    assert mixed[0].argmax() == 0


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), labels=st.integers(1, 6), seed=st.integers(0, 99), strength=st.floats(0.01, 10.0))
def test_what_is_mixed_is_finite_and_not_negative(n: int, labels: int, seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    prior = rng.random((n, labels)).astype(np.float32)
    prior[:, 0] = 0
    prior /= np.maximum(prior.sum(axis=1, keepdims=True), 1e-9)
    counts = rng.integers(0, 3, labels).astype(np.float32)
    spread = rng.random((n, labels)).astype(np.float32) * counts
    mixed = mixed_with(spread, counts, prior, strength=strength)
    assert np.isfinite(mixed).all()
    assert (mixed >= 0).all()


def test_a_label_that_never_comes_gives_way_in_its_crowd() -> None:
    # A crowd of ten photos in which the prior sees softball rather than baseball, and ten that show golf.
    prior = np.repeat(np.array([[0.4, 0.6, 0.0], [0.0, 0.0, 1.0]], np.float32), 10, axis=0)

    def softball(each: float) -> float:
        """Its share of the first crowd after so many answers of baseball and of golf."""
        spread = np.zeros((20, 3), np.float32)
        spread[:10, 0] = spread[10:, 2] = each / 20
        mixed = mixed_with(spread, np.array([each, 0, each], np.float32), prior)
        return float((mixed[:10, 1] / mixed[:10].sum(axis=1)).mean())

    assert softball(1) > softball(2) > softball(6)
    assert softball(1) > 0.5
    assert softball(6) < 0.35


def test_how_many_labels_the_pool_shows_is_told_by_what_was_given() -> None:
    # 40 labels, each as likely by the prior on each of 200 photos; the answers know ten of them.
    prior = np.full((200, 40), 1 / 40, dtype=np.float32)
    assert label_shares(np.zeros(40, np.float32), prior)[1] == 40
    once, some = (np.repeat(np.array([count, 0], np.float32), [10, 30]) for count in (1, 10))
    assert label_shares(once, prior)[1] > 30, "each answer was a new label"
    shares, present = label_shares(some, prior)
    assert present == pytest.approx(10, abs=0.5)
    assert shares[:10].min() > 50 * shares[10:].max()
    assert label_shares(np.full(40, 10, np.float32), prior)[1] == pytest.approx(40, abs=1)


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [([2, 1], 0.75, 0.85), ([2] + [1] * 8, 0.6, 0.7), ([3, 3, 2, 2] + [1] * 10, 0.3, 0.4), ([10] * 5, 0.0, 0.04)],
    ids=["three answers", "ten", "twenty", "nothing new in fifty"],
)
def test_what_was_never_given_keeps_a_share_that_shrinks_with_the_answers(
    given: list[int], least: float, most: float
) -> None:
    counts = np.zeros(92, np.float32)
    counts[: len(given)] = given
    shares, _ = label_shares(counts, np.full((200, 92), 1 / 92, dtype=np.float32))
    assert least < shares[len(given) :].sum() < most


def test_what_is_given_four_times_as_often_counts_twice_as_much() -> None:
    prior = np.full((200, 5), 0.2, dtype=np.float32)
    shares, _ = label_shares(np.array([99, 24, 24, 24, 24], np.float32), prior)
    assert shares[0] / shares[1] == pytest.approx(2.0, rel=0.01)
    assert shares.sum() == pytest.approx(1.0, abs=0.01)


def test_what_does_not_belong_may_be_most_of_the_pool() -> None:
    prior = np.full((200, 5), 0.2, dtype=np.float32)
    counts = np.array([5, 5, 5, 5, 60], np.float32)
    irrelevant = np.arange(5) == 4
    as_any, _ = label_shares(counts, prior)
    assert as_any[4] / as_any.sum() < 0.5
    shares, _ = label_shares(counts, prior, irrelevant)
    assert shares[4] / shares.sum() == pytest.approx(0.75, abs=0.01)
    assert (shares[:4] == as_any[:4]).all()
    all_of_it, _ = label_shares(np.array([0, 0, 0, 0, 9], np.float32), prior, irrelevant)
    assert np.isfinite(all_of_it).all()
    assert label_shares(np.zeros(5, np.float32), prior, irrelevant)[1] == 5


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
