from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.priority import OrderOptions, PoolView, order_pool
from backend.priority import influence as module
from backend.priority.default import AcquisitionFunction
from backend.priority.influence import Influence, Reach
from tests.unit.priority.views import random_view

pytestmark = pytest.mark.unit

# A path 0 - 1 - 2 with cosine 1/2 on both edges, and 3 on its own.
PATH = random_view(
    4,
    digests=None,
    neighbours=np.array([[1, -1], [0, 2], [1, -1], [-1, -1]], dtype=np.int32),
    similarities=np.array([[0.5, 0], [0.5, 0.5], [0.5, 0], [0, 0]], dtype=np.float32),
)


def dense(reach: Reach) -> np.ndarray:
    table: np.ndarray = reach.of(np.arange(reach.n)).toarray()
    return table


def test_hand_computed_reach() -> None:
    steps = np.array([[1, 0.5, 0, 0], [0.5, 1, 0.5, 0], [0, 0.5, 1, 0], [0, 0, 0, 1]])
    squared = steps @ steps
    expected = squared / np.sqrt(np.outer(np.diag(squared), np.diag(squared)))
    found = dense(Reach(PATH))
    assert found == pytest.approx(expected, abs=1e-6)
    assert found[0, 1] == pytest.approx(1 / np.sqrt(1.25 * 1.5), abs=1e-6)
    assert found[0, 2] == pytest.approx(0.25 / 1.25, abs=1e-6)
    assert Reach(PATH).typicality() == pytest.approx(
        (expected.sum(axis=1) - 1) / (expected.sum(axis=1) - 1).max(), abs=1e-5
    )


def test_narrowing_is_a_power_of_the_reach() -> None:
    wide, narrow = Reach(PATH), Reach(PATH, narrowing=3.0)
    assert dense(narrow) == pytest.approx(dense(wide) ** 3, abs=1e-6)
    weights = np.array([0.5, 1.0, 0.25, 1.0], dtype=np.float32)
    assert narrow.total(weights) == pytest.approx(dense(wide) ** 3 @ weights, abs=1e-6)
    # What people are told of a photo does not change with the number of labels.
    assert narrow.typicality() == pytest.approx(wide.typicality())
    taken = np.array([0])
    assert Influence(narrow, weights, taken).novelty() == pytest.approx(Influence(wide, weights, taken).novelty())
    # An image speaks for itself and others by the factor after the power.
    assert dense(Reach(PATH, narrowing=3.0, others=0.5))[0, :2] == pytest.approx([1.0, 0.5 * dense(wide)[0, 1] ** 3])


def test_a_pool_whose_reach_is_not_kept_does_not_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_UP_TO", 2)
    assert dense(Reach(PATH, narrowing=3.0)) == pytest.approx(dense(Reach(PATH)))


def test_hand_computed_gain() -> None:
    reach = Reach(PATH)
    table = dense(reach)
    doubt = np.array([0.5, 1.0, 0.25, 1.0], dtype=np.float32)
    influence = Influence(reach, doubt, np.array([0]))
    assert influence.covered == pytest.approx(table[0])
    for row in range(4):
        expected = (np.maximum(table[row] - table[0], 0) * doubt).sum()
        assert influence.gains(np.array([row])) == pytest.approx([expected], abs=1e-6)
    assert influence.gains() == pytest.approx(influence.gains(np.arange(4)), abs=1e-6)
    assert influence.gains(np.array([0])) == 0.0
    assert influence.gains(np.zeros(0, dtype=np.intp)).size == 0


def test_rows_made_on_demand_are_those_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    view = random_view(300, seed=3)
    kept = Reach(view)
    monkeypatch.setattr(module, "KEPT_UP_TO", 10)
    monkeypatch.setattr(module, "_BLOCK", 64)
    made = Reach(view)
    assert dense(made) == pytest.approx(dense(kept))
    assert made.of(np.array([17])).toarray()[0] == pytest.approx(dense(kept)[17])
    touched = np.arange(300) == 17
    assert made.near(touched).tolist() == np.flatnonzero(dense(kept)[17]).tolist()
    for reach in (made, kept):
        influence = Influence(reach, view.probabilities[:, 0], view.labelled_rows[:5])
        assert influence.gains() == pytest.approx(influence.gains(np.arange(300)), abs=1e-5)
    assert made.typicality() == pytest.approx(kept.typicality())


def test_without_others_an_image_speaks_for_itself_only() -> None:
    assert dense(Reach(PATH, others=0.0)) == pytest.approx(np.eye(4))


@given(seed=st.integers(0, 1000))
def test_gains_only_shrink(seed: int) -> None:
    view = random_view(40, seed=seed)
    doubt = np.random.default_rng(seed).random(40).astype(np.float32)
    influence = Influence(Reach(view, neighbours=5), doubt, view.labelled_rows)
    before = influence.gains()
    for row in (3, 11, 29):
        influence.take(np.array([row]))
        after = influence.gains()
        assert (after <= before + 1e-6).all()
        assert after[row] == pytest.approx(0.0, abs=1e-5)
        before = after


def test_the_documented_example_of_five_photos() -> None:
    view = PoolView(
        space=np.eye(5, dtype=np.float32),
        probabilities=np.array(
            [[0.6, 0.3, 0.1], [0.5, 0.45, 0.05], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8], [0, 0, 1]], dtype=np.float32
        ),
        labelled=np.array([False, False, False, False, True]),
        annotated_probabilities=np.array([[0, 0, 1]], dtype=np.float32),
        membership=np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], dtype=bool),
        node_names=("sport", "racket sport", "water sport"),
        label_names=("tennis", "badminton", "rowing"),
        neighbours=np.array([[1, 2], [0, 2], [0, 1], [4, -1], [3, -1]], dtype=np.int32),
        similarities=np.array([[0.8, 0.4], [0.8, 0.6], [0.4, 0.6], [0.7, 0], [0.7, 0]], dtype=np.float32),
    )
    acquisition = AcquisitionFunction(view, np.array([4]), OrderOptions())
    assert acquisition.components["uncertainty"][:4] == pytest.approx([0.70, 0.95, 1.00, 0.30], abs=1e-5)
    assert acquisition.components["novelty"][:4] == pytest.approx([1.0, 1.0, 1.0, 0.06], abs=0.005)
    assert acquisition.components["coverage"][:4] == pytest.approx([0.61, 0.64, 0.58, 0.50], abs=0.005)
    assert acquisition.influence.gains()[:4] == pytest.approx([2.395, 2.501, 2.370, 0.018], abs=0.0006)
    assert acquisition.gains()[:4] == pytest.approx([2.762, 2.900, 2.716, 0.020], abs=0.0006)
    acquisition.take(1)
    assert acquisition.gains()[[0, 2, 3]] == pytest.approx([0.023, 0.138, 0.020], abs=0.0006)
    order = order_pool(view, OrderOptions(evaluation_share=0.0))
    assert order.rows.tolist() == [1, 2, 0, 3]
    assert order.reasons[0] == (
        "unlike anything labelled; stands for many photos like it; nothing labelled under racket sport yet"
    )
