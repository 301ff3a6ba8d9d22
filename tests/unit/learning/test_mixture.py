"""The Gaussian mixture: its likelihoods, what it makes of a vague prior, when it has a say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from backend.learning import mixture
from backend.learning.out_of_sample import extend_from
from backend.learning.pool_model import PoolModel
from backend.learning.relevance import RelevanceHints
from backend.service.pool.memory import array_bytes
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit

EYE = np.eye(5, dtype=np.float32)
NEW, NEW_TRUTH, _ = clusters(n=60, seed=5)
NEW_PRIOR = 0.5 * EYE[NEW_TRUTH] + np.float32(0.1)


def vague_prior(truth: np.ndarray, right: float, seed: int = 0) -> np.ndarray:
    """A prior float32 [n, 5] whose likeliest label is the true one for the share `right` of the photos, at random else."""
    rng = np.random.default_rng(seed)
    seen = np.where(rng.random(truth.size) < right, truth, rng.integers(5, size=truth.size))
    return 0.5 * EYE[seen] + np.float32(0.1)


def test_scores_are_gaussian_likelihoods_to_a_power() -> None:
    rng = np.random.default_rng(0)
    space = rng.normal(size=(60, 6)).astype(np.float32)
    space /= np.linalg.norm(space, axis=1, keepdims=True)
    weighted = rng.random((60, 3)).astype(np.float32)
    found = mixture._means(space, weighted, np.zeros(3, dtype=bool))
    means = (weighted.T @ space) / weighted.sum(axis=0)[:, None]
    inside = sum(float(weighted[:, label] @ ((space - means[label]) ** 2).sum(axis=1)) for label in range(3)) / float(
        weighted.sum()
    )
    expected = mixture.LIKELIHOOD * np.stack(
        [multivariate_normal(mean, inside / 6).logpdf(space) for mean in means], axis=1
    )
    scores = space @ found.weights + found.bias
    assert scores - scores[:, :1] == pytest.approx(expected - expected[:, :1], abs=1e-2)


def test_a_vague_prior_gets_the_whole_crowd() -> None:
    embeddings, truth, _ = clusters()
    prior = vague_prior(truth, 0.4)
    model = PoolModel(embeddings, prior)
    before = (prior.argmax(axis=1) == truth).mean()
    beliefs = model.propagate(np.zeros(0, dtype=np.intp), np.zeros((0, 5), dtype=np.float32))
    assert beliefs.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert before < 0.6
    assert (beliefs.argmax(axis=1) == truth).mean() > 0.95


def test_labels_that_nothing_tells_apart_share_their_crowds_the_same_way_in_any_order_of_the_photos() -> None:
    """Three labels of three crowds that the prior knows alike, as a sport of men, of women and of pairs."""
    embeddings, truth, _ = clusters(n=600)
    alike = vague_prior(np.minimum(truth, 2), 0.4)
    alike[:, 2:] = alike[:, 2:].mean(axis=1, keepdims=True)
    nobody = np.zeros(0, dtype=np.intp), np.zeros((0, 5), dtype=np.float32)
    named = []
    for seed in range(6):
        rows = np.random.default_rng(seed).permutation(truth.size)
        model = PoolModel(embeddings[rows], alike[rows])
        named.append(model.propagate(*nobody).argmax(axis=1)[np.argsort(rows)])
        new = extend_from(model.export_extension(), NEW, alike[:60]).argmax(axis=1)
        assert ((new >= 2) == (NEW_TRUTH >= 2)).mean() > 0.9
    assert all((other == named[0]).mean() > 0.995 for other in named)
    assert {2, 3, 4} <= set(named[0][truth >= 2])


def test_an_annotation_stays_what_it_is() -> None:
    embeddings, truth, _ = clusters()
    model = PoolModel(embeddings, vague_prior(truth, 0.4))
    wrong = EYE[(truth[:3] + 1) % 5]
    assert model.propagate(np.arange(3), wrong)[:3] == pytest.approx(wrong)


def test_where_nothing_is_known_before_it_has_no_say() -> None:
    embeddings, truth, prior = clusters()
    model = PoolModel(embeddings, prior)
    model.propagate(np.arange(8), EYE[truth[:8]])
    assert "mixture_weights" not in model.export_extension()


def test_its_weight_falls_with_the_annotations_and_where_the_prior_is_sure() -> None:
    prior = np.array([[0.5, 0.3, 0.2, 0.0], [0.75, 0.25, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    assert mixture.mixture_weight(prior, 0.0).ravel() == pytest.approx([1.0, 0.5, 0.0])
    assert mixture.mixture_weight(prior, 1.0).ravel() == pytest.approx([0.5, 0.25, 0.0])


def test_what_the_prior_is_sure_of_stays() -> None:
    """Labels that crowds do not tell apart: one crowd, five labels, and a prior that knows them."""
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 5
    model = PoolModel(rng.normal(size=(200, 24)).astype(np.float16), 0.95 * EYE[truth] + np.float32(0.01))
    beliefs = model.propagate(np.zeros(0, dtype=np.intp), np.zeros((0, 5), dtype=np.float32))
    assert (beliefs.argmax(axis=1) == truth).mean() > 0.95


def test_it_is_left_out_where_a_round_would_take_seconds() -> None:
    prior = vague_prior(np.arange(100) % 5, 0.5)
    assert mixture.is_worthwhile(prior, 64, 10.0)
    assert not mixture.is_worthwhile(prior, 64, 10.2)
    assert not mixture.is_worthwhile(prior, int(mixture.MAX_PRODUCTS / prior.size) + 1, 0)
    assert not mixture.is_worthwhile(prior[:0], 64, 0)
    assert not mixture.is_worthwhile(np.ones((9, 1), dtype=np.float32), 64, 0)


@pytest.mark.parametrize("annotations", [0, 6])
def test_new_photos_get_it_too_with_the_pool_and_without(annotations: int) -> None:
    embeddings, truth, _ = clusters(n=400)
    prior = vague_prior(truth, 0.4)
    model = PoolModel(embeddings[:300], prior[:300])
    rows = np.arange(annotations)
    model.propagate(rows, EYE[truth[rows]])
    found = model.extend(embeddings[300:], prior[300:])
    assert (found.argmax(axis=1) == truth[300:]).mean() > 0.95
    arrays = model.export_extension()
    assert {"mixture_weights", "mixture_bias", "mixture_beliefs"} <= set(arrays)
    assert extend_from(arrays, embeddings[300:], prior[300:]) == pytest.approx(found, abs=0.02)


def test_the_order_goes_by_what_is_believed_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, truth, _ = clusters()
    model = PoolModel(embeddings, vague_prior(truth, 0.4))
    rows = np.arange(6)
    beliefs = model.propagate(rows, EYE[truth[rows]])
    assert model.unmixed is not None
    assert model.unmixed[rows] == pytest.approx(EYE[truth[rows]])
    assert np.abs(model.unmixed - beliefs).max() > 0.01
    monkeypatch.setattr(mixture, "FEW", 0.0)
    without = PoolModel(embeddings, vague_prior(truth, 0.4)).propagate(rows, EYE[truth[rows]])
    np.testing.assert_array_equal(model.unmixed, without)


@pytest.mark.parametrize("annotations", [0, 6])
def test_without_one_beliefs_are_held_once_and_nobody_can_write_into_those_of_the_order(annotations: int) -> None:
    embeddings, truth, uniform = clusters()
    model = PoolModel(embeddings, uniform)
    rows = np.arange(annotations)
    beliefs = model.propagate(rows, EYE[truth[rows]])
    assert model.unmixed is not None
    assert np.shares_memory(beliefs, model.unmixed)
    with pytest.raises(ValueError, match="read-only"):
        beliefs[0] = 0.0
    again = model.propagate(rows, EYE[truth[rows]])
    np.testing.assert_array_equal(again, beliefs)


def scattered_strangers() -> tuple[PoolModel, np.ndarray]:
    """Four crowds with a vague prior, and photos that do not belong scattered over all of them; the fifth label is theirs."""
    embeddings, truth, _ = clusters(n=400)
    rng = np.random.default_rng(1)
    strange = truth == 4
    embeddings = embeddings.copy()
    embeddings[strange] = embeddings[rng.choice(np.flatnonzero(~strange), strange.sum())]
    embeddings[strange] += rng.normal(scale=1.5, size=(int(strange.sum()), embeddings.shape[1])).astype(np.float16)
    hints = RelevanceHints(np.arange(5) == 4)
    return PoolModel(embeddings, vague_prior(truth, 0.5), hints=hints), truth


@pytest.mark.parametrize("annotations", [0, 4])
def test_what_does_not_belong_is_a_background_with_the_pool_and_without(annotations: int) -> None:
    model, truth = scattered_strangers()
    rows = np.arange(annotations)
    model.propagate(rows, EYE[truth[rows]])
    arrays = model.export_extension()
    assert arrays["mixture_background"].tolist() == [False] * 4 + [True]
    assert not arrays["mixture_weights"][:, 4].any()
    assert arrays["mixture_weights"][:, :4].all()
    # By its likelihood alone it is ahead of the Gaussians where no label has its crowd.
    scores = model.space @ arrays["mixture_weights"] + arrays["mixture_bias"]
    assert (scores.argmax(axis=1) == 4).mean() == pytest.approx(mixture.BACKGROUND_LEVEL, abs=0.01)
    assert extend_from(arrays, NEW, NEW_PRIOR) == pytest.approx(model.extend(NEW, NEW_PRIOR), abs=0.02)


def test_a_label_with_background_gets_no_crowd() -> None:
    model, truth = scattered_strangers()
    nobody = np.zeros(0, dtype=np.intp)
    beliefs = model.propagate(nobody, np.zeros((0, 5), dtype=np.float32))
    belong = truth != 4
    assert (beliefs.argmax(axis=1) == truth)[belong].mean() > 0.9
    arrays = model.export_extension()
    del arrays["mixture_background"]  # as an earlier version wrote it
    assert extend_from(arrays, NEW, NEW_PRIOR).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_crowds_go_by_their_own_prior_and_the_order_does_not() -> None:
    embeddings, truth, _ = clusters()
    taken_for = np.array([0, 1, 2, 4, 3])[truth]
    plain, weighed = vague_prior(taken_for, 0.4), vague_prior(truth, 0.4)
    model = PoolModel(embeddings, plain, crowd_prior=weighed)
    without = PoolModel(embeddings, plain)
    rows = np.array([np.flatnonzero(truth == label)[0] for label in range(3)])
    for annotated in (rows[:0], rows):
        believed, before = (each.propagate(annotated, EYE[truth[annotated]]) for each in (model, without))
        assert model.unmixed == pytest.approx(without.unmixed, abs=1e-6)
        assert (believed[annotated] == EYE[truth[annotated]]).all()
        right, right_before = ((each.argmax(axis=1) == truth).mean() for each in (believed, before))
        assert right_before < 0.7
        assert right > 0.9
        new, new_before = (
            (each.extend(NEW, NEW_PRIOR).argmax(axis=1) == NEW_TRUTH).mean() for each in (model, without)
        )
        assert new > new_before + 0.1


def test_photos_that_join_bring_what_crowds_go_by() -> None:
    embeddings, truth, _ = clusters()
    plain, weighed = vague_prior(truth, 0.2), vague_prior(truth, 0.6)
    whole = PoolModel(embeddings, plain, crowd_prior=weighed)
    grown = PoolModel(embeddings[:200], plain[:200], crowd_prior=weighed[:200])
    grown.add(embeddings[200:], plain[200:], crowd_prior=weighed[200:])
    assert np.array_equal(grown.crowd_prior, whole.crowd_prior)
    nobody = np.zeros(0, dtype=np.intp), np.zeros((0, 5), dtype=np.float32)
    found, expected = grown.propagate(*nobody), whole.propagate(*nobody)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97
    without = PoolModel(embeddings[:200], plain[:200])
    without.add(embeddings[200:], plain[200:])
    grown.weigh(None)
    assert np.array_equal(grown.propagate(*nobody), without.propagate(*nobody))


def test_what_crowds_go_by_is_not_kept_where_no_mixture_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, truth, prior = clusters()
    monkeypatch.setattr(mixture, "MAX_PRODUCTS", 1.0)
    assert PoolModel(embeddings, prior, crowd_prior=vague_prior(truth, 0.6)).crowd_prior is None


def test_labels_that_are_too_many_for_a_mixture_keep_nothing_of_what_crowds_go_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    embeddings, truth, prior = clusters()
    crowds = vague_prior(truth, 0.6)
    model = PoolModel(embeddings, prior, crowd_prior=crowds)
    sets = np.repeat(prior, 3, axis=1)
    monkeypatch.setattr(mixture, "MAX_PRODUCTS", 2.0 * crowds.size * model.space.shape[1])
    before = array_bytes(model.with_labels(sets, None, smoothed=sets))
    other = model.with_labels(
        sets, None, smoothed=sets, crowd_prior=sets.copy(), smoothed_crowds=np.repeat(crowds, 3, axis=1)
    )
    assert other.crowd_prior is None
    assert array_bytes(other) == before


def test_a_pool_that_grows_too_large_for_a_mixture_drops_what_crowds_go_by(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, truth, prior = clusters()
    crowds = vague_prior(truth, 0.6)
    model = PoolModel(embeddings[:200], prior[:200], crowd_prior=crowds[:200])
    assert model.crowd_prior is not None
    monkeypatch.setattr(mixture, "MAX_PRODUCTS", 250.0 * prior.shape[1] * model.space.shape[1])
    model.add(embeddings[200:], prior[200:], crowd_prior=crowds[200:])
    assert model.crowd_prior is None
