from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from backend.learning.pool_model import PoolModel
from backend.learning.relevance import RelevanceHints, agreed_relevance, answer_weights, learn_relevance, with_relevance
from tests.unit.learning.pools import clusters

pytestmark = pytest.mark.unit

NOBODY = np.zeros(0, dtype=int), np.zeros(0, dtype=bool)


def pool() -> tuple[PoolModel, np.ndarray, np.ndarray]:
    """Photos of which cluster 0 does not belong; a signal that is right on the whole."""
    embeddings, truth, prior = clusters()
    belongs = truth != 0
    signal = np.clip(np.where(belongs, 0.45, 0.2) + 0.15 * np.random.default_rng(0).normal(size=300), 0, 1)
    return PoolModel(embeddings, prior), belongs, signal.astype(np.float32)


def test_without_annotations_the_signal_speaks_evened_out() -> None:
    model, belongs, signal = pool()
    found = learn_relevance(model, [signal], *NOBODY)
    assert ((found >= 0) & (found <= 1)).all()
    assert roc_auc_score(belongs, found) > roc_auc_score(belongs, signal)
    assert found.mean() == pytest.approx(0.95, abs=0.001), (
        "few are taken for strangers, however wide the signal spreads"
    )


def test_annotations_put_a_wrong_signal_right() -> None:
    model, belongs, signal = pool()
    rows = np.random.default_rng(1).permutation(300)[:60]
    found = learn_relevance(model, [1.0 - signal], rows, belongs[rows])
    others = np.setdiff1d(np.arange(300), rows)
    assert ((found > 0.5) == belongs)[others].mean() > 0.9
    assert found[rows].tolist() == belongs[rows].astype(float).tolist()


def test_without_signals_everything_belongs_until_someone_says_no() -> None:
    model, belongs, _ = pool()
    rows = np.flatnonzero(belongs)[:5]
    assert (learn_relevance(model, [], rows, np.ones(5, dtype=bool)) == 1.0).all()
    rows = np.random.default_rng(1).permutation(300)[:60]
    found = learn_relevance(model, [], rows, belongs[rows])
    assert ((found > 0.5) == belongs).mean() > 0.9


def test_what_neighbours_were_given_and_the_regression_have_an_equal_say() -> None:
    irrelevant = np.array([False, False, True])
    beliefs = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    found = agreed_relevance(beliefs, np.array([0.8, 1.0, 0.0, 0.5], np.float32), irrelevant)
    assert found[0] == pytest.approx(0.8)
    assert found[1:3].tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_a_signal_that_says_nothing_sinks_nothing() -> None:
    model, _, _ = pool()
    assert (learn_relevance(model, [np.full(300, 0.02, np.float32)], *NOBODY) > 0.5).all()


@pytest.mark.parametrize("photos", [1, 2, 3, 5, 40])
def test_photos_that_no_signal_tells_apart_all_belong_as_the_average_does(photos: int) -> None:
    alike = np.tile(np.arange(1, 9, dtype=np.float32), (photos, 1))
    prior = np.tile(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), (photos, 1))
    model = PoolModel(alike, prior, hints=RelevanceHints(np.array([False, False, True])))

    beliefs = model.propagate(np.zeros(0, dtype=np.intp), np.zeros((0, 3), dtype=np.float32))

    assert model.relevance == pytest.approx(np.full(photos, 0.95), abs=1e-4)
    assert beliefs[:, 2] == pytest.approx(np.full(photos, 0.05), abs=1e-3)


@pytest.mark.parametrize(
    ("relevant", "share", "expected"),
    [
        ([True] * 8 + [False], 0.2, [1.0] * 8 + [2.0]),
        ([True] * 8 + [False] * 2, 0.2, [1.0] * 10),
        ([True] * 2 + [False] * 6, 0.2, [1.0] * 8),
        ([True] * 3, 0.2, [1.0] * 3),
        ([True] * 3 + [False], 0.5, [1.0] * 3 + [3.0]),
        ([False] * 2, 0.2, [1.0] * 2),
    ],
)
def test_irrelevant_answers_weigh_up_to_their_share_of_the_pool(
    relevant: list[bool], share: float, expected: list[float]
) -> None:
    assert answer_weights(np.array(relevant), irrelevant_share=share) == pytest.approx(np.array(expected))


@given(st.lists(st.booleans(), max_size=50), st.floats(0.0, 0.95))
def test_together_irrelevant_answers_weigh_their_share_or_more(answers: list[bool], share: float) -> None:
    relevant = np.array(answers, dtype=bool)
    weights = answer_weights(relevant, irrelevant_share=share)
    assert (weights[relevant] == 1.0).all()
    assert (weights >= 1.0).all()
    if not relevant.all():
        counted = weights[~relevant].sum() / weights.sum()
        expected = max(share, (~relevant).mean()) if relevant.any() else 1.0
        assert counted == pytest.approx(expected)


def test_a_sample_chosen_for_relevance_does_not_hide_what_is_irrelevant() -> None:
    model, belongs, _ = pool()
    rng = np.random.default_rng(2)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(belongs))[:60], np.flatnonzero(~belongs)[:5]])
    found = learn_relevance(model, [np.full(300, 0.5, np.float32)], chosen, belongs[chosen])
    others = np.setdiff1d(np.arange(300), chosen)
    assert (found < 0.5)[others][~belongs[others]].mean() > 0.7
    assert (found > 0.5)[others][belongs[others]].mean() > 0.9


def test_relevance_divides_a_photo_between_the_two_kinds_of_label() -> None:
    beliefs = np.array([[0.2, 0.6, 0.2], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]], dtype=np.float32)
    irrelevant = np.array([False, False, True])
    found = with_relevance(beliefs, np.array([0.8, 0.5, 1.0], np.float32), irrelevant)
    assert found == pytest.approx(np.array([[0.2, 0.6, 0.2], [0.25, 0.25, 0.5], [0.5, 0.5, 0.0]]))


def test_hints_of_photos_that_join_and_of_some_photos() -> None:
    irrelevant = np.array([False, True])
    first = RelevanceHints(irrelevant, np.array([0.1, 0.2], np.float32), np.array([1.0, 0.0], np.float32))
    second = RelevanceHints(irrelevant, np.array([0.3], np.float32))
    both = first.joined(second)
    assert both.mass is not None
    assert both.mass == pytest.approx([0.1, 0.2, 0.3])
    assert both.unknown is None  # not measured of all
    some = first.take(np.array([1]))
    assert some.mass is not None
    assert some.mass == pytest.approx([0.2])
    assert not RelevanceHints(np.array([False])).used
    assert len(first.signals(np.array([[0.5, 0.5], [1.0, 0.0]], np.float32))) == 2


def test_strangers_are_known_and_one_of_them_takes_no_label_away() -> None:
    """Cluster 0 is what nobody wants; its label is the only irrelevant one, and the prior hints at it."""
    embeddings, truth, _ = clusters()
    prior = np.full((300, 5), 0.1, dtype=np.float32)
    rng = np.random.default_rng(0)
    guess = np.where(rng.random(300) < 0.3, rng.integers(5, size=300), truth)
    prior[np.arange(300), guess] = 0.6
    hints = RelevanceHints(np.arange(5) == 0)
    model = PoolModel(embeddings, prior, hints=hints)
    before = model.propagate(np.zeros(0, dtype=int), np.zeros((0, 5), np.float32)).argmax(axis=1)
    row = int(np.flatnonzero(truth == 0)[0])
    after = model.propagate(np.array([row]), np.eye(5, dtype=np.float32)[[0]]).argmax(axis=1)
    assert (after == before)[truth != 0].mean() > 0.95
    rows = rng.permutation(300)[:60]
    known = model.propagate(rows, np.eye(5, dtype=np.float32)[truth[rows]]).argmax(axis=1) == 0
    assert known[truth == 0].mean() > 0.9
    assert known[truth != 0].mean() < 0.02
    assert model.relevance is not None
    model.add(embeddings[:10], prior[:10], hints=None)
    assert model.propagate(rows, np.eye(5, dtype=np.float32)[truth[rows]]).shape == (310, 5)
