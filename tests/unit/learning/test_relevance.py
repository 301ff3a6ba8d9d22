from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from backend.learning.pool_model import PoolModel
from backend.learning.relevance import answer_weights, learn_relevance
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
    assert found.mean() > 0.5


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


def test_a_signal_that_says_nothing_sinks_nothing() -> None:
    model, _, _ = pool()
    assert (learn_relevance(model, [np.full(300, 0.02, np.float32)], *NOBODY) > 0.5).all()


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
