from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import BackendError, SettingsError
from backend.priority import COMPONENTS, STRATEGIES, OrderOptions, PoolView, evaluation_mask, order_pool
from backend.priority.candidates import only_rows
from backend.priority.default import FIRST_DOUBTFUL, AcquisitionFunction, rank_default, say_of_relevance
from backend.priority.evaluation_sample import sample_position
from tests.unit.priority.views import random_view, unit

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]


def check_invariants(view: PoolView, options: OrderOptions) -> None:
    order = order_pool(view, options)
    assert sorted(order.rows) == view.unlabelled_rows.tolist()
    assert order.priority.shape == order.rows.shape == order.evaluation.shape
    assert ((order.priority >= 0) & (order.priority <= 1)).all()
    assert (np.diff(order.priority) <= 0).all()
    assert len(order.reasons) == min(options.window, order.rows.size)
    assert all(order.reasons)
    for name, values in order.components.items():
        assert values.shape == order.rows.shape, name
        assert ((values >= 0) & (values <= 1)).all(), name


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 60),
    labels=st.integers(1, 6),
    seed=st.integers(0, 999),
    share=st.sampled_from([0.0, 0.1, 0.5]),
    window=st.sampled_from([1, 7, 200]),
)
def test_every_unlabelled_photo_once_and_all_in_range(
    n: int, labels: int, seed: int, share: float, window: int
) -> None:
    check_invariants(random_view(n, labels, seed), OrderOptions(evaluation_share=share, window=window))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 60), seed=st.integers(0, 999), strategy=st.sampled_from(["default", "margin", "kcenter"]))
def test_permuting_the_tasks_permutes_the_order(n: int, seed: int, strategy: str) -> None:
    view = random_view(n, seed=seed, relevance=np.random.default_rng(seed).random(n).astype(np.float32))
    moved = np.random.default_rng(seed + 1).permutation(n)
    assert view.digests is not None
    assert view.relevance is not None
    permuted = replace(
        view,
        space=view.space[moved],
        probabilities=view.probabilities[moved],
        labelled=view.labelled[moved],
        digests=[view.digests[row] for row in moved],
        relevance=view.relevance[moved],
    )
    options = OrderOptions(strategy=strategy, window=20)
    first, second = order_pool(view, options), order_pool(permuted, options)
    assert [view.digests[row] for row in first.rows] == [permuted.digests[row] for row in second.rows]  # type: ignore[index]
    assert first.priority == pytest.approx(second.priority, abs=1e-6)
    assert first.reasons == second.reasons


def test_annotations_move_with_their_rows() -> None:
    view = random_view(30, seed=2)
    said = np.eye(4, dtype=np.float32)[np.arange(view.labelled.sum()) % 4]
    view = replace(view, annotated_probabilities=said, neighbours=None)
    moved = np.random.default_rng(0).permutation(30)
    full = np.zeros((30, 4), dtype=np.float32)
    full[view.labelled_rows] = said
    permuted = replace(
        view,
        space=view.space[moved],
        probabilities=view.probabilities[moved],
        labelled=view.labelled[moved],
        digests=[view.digests[row] for row in moved],  # type: ignore[index]
        annotated_probabilities=full[moved][view.labelled[moved]],
    )
    assert moved[order_pool(permuted).rows].tolist() == order_pool(view).rows.tolist()


def test_the_same_order_in_another_process() -> None:
    script = (
        "from tests.unit.priority.views import random_view; from backend.priority import order_pool;"
        "order = order_pool(random_view(80, seed=5)); print(order.rows.tolist(), order.priority.tobytes().hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for _ in range(2)
    }
    order = order_pool(random_view(80, seed=5))
    assert found == {f"{order.rows.tolist()} {order.priority.tobytes().hex()}\n"}


def test_greedy_equals_brute_force() -> None:
    view = random_view(40, seed=7, digests=None, unknown=np.linspace(0, 1, 40, dtype=np.float32))
    options = OrderOptions(window=12, evaluation_share=0.0)
    plain = AcquisitionFunction(view, view.labelled_rows, options)
    left, expected = view.unlabelled_rows.tolist(), []
    for _ in range(12):
        best = left[int(np.argmax(plain.gains(np.array(left))))]
        expected.append(best)
        plain.take(best)
        left.remove(best)
    ranked = rank_default(view, ~view.labelled, view.labelled_rows, options)
    assert ranked.rows[:12].tolist() == expected


def test_the_hand_made_pool_is_asked_crowd_first_then_the_other_side() -> None:
    # Six alike, three alike, one alone; nothing labelled, nothing known.
    angles = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 1.5, 1.55, 1.6, 3.0])
    space = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    view = PoolView(
        space=space, probabilities=np.full((10, 3), 1 / 3, np.float32), labelled=np.zeros(10, dtype=bool), digests=None
    )
    rows = order_pool(view, OrderOptions(window=3, evaluation_share=0.0)).rows
    assert rows[0] in range(6)
    assert rows[1] in range(6, 9)
    assert rows[2] == 9


@pytest.mark.parametrize("strategy", ["default", *STRATEGIES])
def test_broken_rows_are_ordered_too(strategy: str) -> None:
    view = random_view(24, seed=4)
    space, beliefs = view.space.copy(), view.probabilities.copy()
    space[0], space[1], space[2] = 0.0, np.nan, space[3]
    beliefs[4], beliefs[5] = np.nan, 0.0
    relevance = np.linspace(0, 1, 24, dtype=np.float32)
    relevance[6] = np.nan
    broken = replace(view, space=space, probabilities=beliefs, relevance=relevance)
    check_invariants(broken, OrderOptions(strategy=strategy, window=5))


@pytest.mark.parametrize("strategy", ["default", *STRATEGIES])
@pytest.mark.parametrize("n", [0, 1])
def test_pools_of_none_and_one(strategy: str, n: int) -> None:
    check_invariants(
        random_view(max(n, 1), 1, labelled=np.zeros(1, dtype=bool)) if n else empty(), OrderOptions(strategy)
    )


def empty() -> PoolView:
    return PoolView(np.zeros((0, 8), np.float32), np.zeros((0, 3), np.float32), np.zeros(0, dtype=bool), digests=[])


def test_nothing_left_to_ask() -> None:
    order = order_pool(random_view(9, labelled=np.ones(9, dtype=bool)))
    assert order.rows.size == 0
    assert order.reasons == []


def test_the_evaluation_sample_is_interleaved_and_marked() -> None:
    view = random_view(400, seed=1, labelled=np.zeros(400, dtype=bool))
    order = order_pool(view, OrderOptions(evaluation_share=0.25, window=40))
    assert view.digests is not None
    assert order.evaluation.tolist() == evaluation_mask([view.digests[row] for row in order.rows], 0.25).tolist()
    assert order.evaluation[:40].sum() == pytest.approx(10, abs=1)
    assert order.components["evaluation"].tolist() == order.evaluation.astype(float).tolist()
    said = [text for text, sampled in zip(order.reasons, order.evaluation, strict=False) if sampled]
    assert all("random sample" in text for text in said)


@pytest.mark.parametrize("seed", range(4))
def test_evaluation_photos_come_in_an_order_that_no_belief_changes(seed: int) -> None:
    # A quarter of the photos is named otherwise after each answer: they are wrong more often, and come no sooner.
    n, labels = 400, 8
    rng = np.random.default_rng(seed)
    in_doubt, said = rng.random(n) < 0.25, rng.integers(labels, size=n)
    labelled, met = np.zeros(n, dtype=bool), []
    view = random_view(n, labels, seed=seed)
    for _ in range(40):
        named = np.where(in_doubt, rng.integers(labels, size=n), said)
        beliefs = (0.05 + 0.6 * np.eye(labels)[named]).astype(np.float32)
        seen = replace(view, probabilities=beliefs, labelled=labelled)
        order = order_pool(seen, OrderOptions("random", window=1, evaluation_share=0.5))
        met.append(int(order.rows[order.evaluation][0]))
        labelled = labelled.copy()
        labelled[met[-1]] = True
    assert view.digests is not None
    positions = sample_position(view.digests)
    assert met == np.argsort(positions)[:40].tolist()


@pytest.mark.parametrize("strategy", ["default", "typicality", "kcenter", "margin"])
def test_rows_that_are_gone_change_nothing(strategy: str) -> None:
    whole = random_view(120, seed=3, relevance=np.random.default_rng(3).random(120).astype(np.float32))
    gone = np.random.default_rng(4).random(120) < 0.3
    there = np.flatnonzero(~gone)
    options = OrderOptions(strategy, window=20)
    left = order_pool(replace(whole, labelled=whole.labelled | gone), options, rows=there)
    without = order_pool(only_rows(whole, there), options)
    assert left.rows.tolist() == there[without.rows].tolist()
    assert left.evaluation.tolist() == without.evaluation.tolist()


def test_what_was_labelled_for_evaluation_or_skipped_taught_nothing() -> None:
    view = random_view(60, seed=9, digests=None)
    base = order_pool(replace(view, labelled=np.zeros(60, dtype=bool)), OrderOptions(evaluation_share=0.0, window=60))
    first = int(base.rows[0])
    labelled = np.zeros(60, dtype=bool)
    labelled[first] = True
    skipped = replace(view, labelled=labelled, annotated_probabilities=np.zeros((1, 4), np.float32))
    answered = replace(view, labelled=labelled, annotated_probabilities=np.eye(4, dtype=np.float32)[[0]])
    options = OrderOptions(evaluation_share=0.0, window=60)
    assert (order_pool(skipped, options).components["novelty"] == 1.0).all()
    assert (order_pool(answered, options).components["novelty"] < 1.0).any()


def test_irrelevant_photos_sink_are_marked_and_a_few_are_asked_early() -> None:
    n = 300
    relevance = np.where(np.arange(n) % 3 == 0, 0.1, 0.95).astype(np.float32)
    relevance[3] = 0.45
    view = random_view(n, seed=3, relevance=relevance, labelled=np.zeros(n, dtype=bool))
    order = order_pool(view, OrderOptions(window=100, evaluation_share=0.0))
    asked = order.rows[:100]
    irrelevant = relevance[asked] < 0.5
    assert np.flatnonzero(irrelevant).tolist() == [24, 49, 99]
    assert asked[FIRST_DOUBTFUL - 1] == 3  # the most doubtful one
    tail = order.rows[-97:]
    assert (relevance[tail] < 0.5).all()
    assert "probably not relevant" in order.reasons[FIRST_DOUBTFUL - 1]
    unweighed = order_pool(view, OrderOptions(window=100, evaluation_share=0.0, weights={"relevance": 0}))
    assert (relevance[unweighed.rows[:100]] < 0.5).sum() > 10


@pytest.mark.parametrize(
    ("labelled", "places"), [(0, [24]), (24, [0, 25]), (25, [24]), (60, []), (390, [9]), (400, [])]
)
def test_doubtful_questions_come_half_as_often_with_each_doubling(labelled: int, places: list[int]) -> None:
    n = 600
    relevance = np.where(np.arange(n) % 2 == 0, 0.3, 0.95).astype(np.float32)
    said = np.isin(np.arange(n), np.arange(n)[1::2][: labelled // 2]) | np.isin(
        np.arange(n), np.arange(n)[::2][: labelled - labelled // 2]
    )
    view = random_view(n, seed=3, relevance=relevance, labelled=said)
    order = order_pool(view, OrderOptions(window=39, evaluation_share=0.0))
    assert np.flatnonzero(relevance[order.rows[:39]] < 0.5).tolist() == places


@pytest.mark.parametrize(
    ("belongs", "per_label", "least", "power"),
    [
        (0.95, 0.0, 0.9, 1.5),
        (0.99, 2.0, 0.9, 1.5),
        (0.95, 4.0, 0.75, 0.75),
        (0.6, 1.0, 0.45, 0.375),
        (0.3, 1.0, 0.0, 0.0),
    ],
)
def test_relevance_counts_by_how_much_belongs_and_until_crowds_are_settled(
    belongs: float, per_label: float, least: float, power: float
) -> None:
    pool = np.full(7, belongs, dtype=np.float32)
    assert say_of_relevance(pool, per_label) == pytest.approx((least, power), abs=1e-5)


def test_where_few_photos_belong_doubtful_ones_are_asked_about_before_certain_ones() -> None:
    n = 300
    certain = np.arange(n) % 5 == 0
    relevance = np.where(certain, 0.95, 0.1).astype(np.float32)
    known = np.array([0.98, 0.01, 0.01, 0.0], dtype=np.float32)
    view = random_view(n, seed=3, relevance=relevance, labelled=np.zeros(n, dtype=bool))
    view = replace(view, probabilities=np.where(certain[:, None], known, view.probabilities))
    order = order_pool(view, OrderOptions(window=40, evaluation_share=0.0))
    assert certain[order.rows[:40]].sum() <= 2


def test_strategies_of_ones_own_can_be_ordered_by() -> None:
    view = random_view(40, seed=1)
    own = {"last first": lambda view, rng, count: (view.unlabelled_rows[::-1][:count], np.ones(count, np.float32))}
    order = order_pool(view, OrderOptions("last first", window=5, evaluation_share=0.0), strategies=own)
    rows = view.unlabelled_rows
    by_digest = rows if view.digests is None else rows[np.argsort([view.digests[row] for row in rows])]
    assert order.rows[:5].tolist() == by_digest[::-1][:5].tolist()
    with pytest.raises(SettingsError, match="known: default, last first"):
        order_pool(view, OrderOptions("margin"), strategies=own)


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_weight_changes_the_order(component: str) -> None:
    rng = np.random.default_rng(0)
    view = random_view(
        120, seed=6, relevance=rng.random(120).astype(np.float32), unknown=rng.random(120).astype(np.float32)
    )
    plain, off, strong = (
        order_pool(view, OrderOptions(window=30, weights={component: weight})).rows.tolist()
        for weight in (1.0, 0.0, 5.0)
    )
    assert strong != plain
    assert strong != off


def test_a_head_that_disagrees_raises_uncertainty() -> None:
    view = random_view(10, labelled=np.zeros(10, dtype=bool), digests=None)
    same = replace(view, head_probabilities=view.probabilities)
    other = replace(view, head_probabilities=view.probabilities[:, ::-1].copy())
    plain, agreed, torn = (order_pool(item, OrderOptions(evaluation_share=0)) for item in (view, same, other))

    def doubt(order: object) -> np.ndarray:
        return order.components["uncertainty"][np.argsort(order.rows)]  # type: ignore[attr-defined, no-any-return]

    assert doubt(agreed) == pytest.approx(doubt(plain), abs=1e-5)
    assert (doubt(torn) >= doubt(plain) - 1e-6).all()
    assert doubt(torn).sum() > doubt(plain).sum()


def test_unknown_strategy_and_misfitting_arrays_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown query strategy"):
        order_pool(random_view(5), OrderOptions(strategy="nonesuch"))
    with pytest.raises(BackendError, match=r"PoolView\.probabilities has 4 rows, labelled has 5"):
        random_view(5, probabilities=np.full((4, 4), 0.25, np.float32))
    with pytest.raises(BackendError, match="digests"):
        random_view(5, digests=["a"])


def test_many_answers_turn_from_crowds_to_single_photos_in_doubt() -> None:
    # Rows 0 to 3: a chain of photos in some doubt, each linked to the next; 4: in more doubt, on its own. The others
    # are annotated, apart from all of them.
    n = 64
    beliefs = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (n, 1))
    beliefs[:4], beliefs[4] = (0.6, 0.4), (0.5, 0.5)
    neighbours = np.full((n, 2), -1, dtype=np.int32)
    neighbours[:4] = [[1, -1], [0, 2], [1, 3], [2, -1]]
    similarities = np.where(neighbours >= 0, np.float32(0.5), np.float32(0.0))

    def first(answers: int) -> int:
        labelled = np.zeros(n, dtype=bool)
        labelled[5 : 5 + answers] = True
        view = random_view(
            n, 2, probabilities=beliefs, labelled=labelled, neighbours=neighbours, similarities=similarities,
            annotated_probabilities=np.eye(2, dtype=np.float32)[np.arange(answers) % 2],
        )  # fmt: skip
        return int(order_pool(view, OrderOptions(evaluation_share=0.0)).rows[0])

    assert first(4) in {1, 2}
    assert first(58) == 4


def test_two_labels_that_both_hold_are_no_doubt() -> None:
    """Where several may hold, a photo of two sure labels teaches less than one of which some label is unsure."""
    space = np.eye(4, dtype=np.float32)
    sure, unsure = [0.99, 0.99, 0.01], [0.99, 0.5, 0.01]
    view = PoolView(
        space=space,
        probabilities=np.array([sure, unsure, sure, unsure], dtype=np.float32),
        labelled=np.zeros(4, dtype=bool),
        several=True,
    )
    order = order_pool(view, OrderOptions(evaluation_share=0.0, weights={"coverage": 0.0}))
    assert set(order.rows[:2].tolist()) == {1, 3}
    doubt = dict(zip(order.rows.tolist(), order.components["uncertainty"].tolist(), strict=True))
    assert doubt[1] > 0.5 > 0.05 > doubt[0]


@pytest.mark.parametrize("strategy", ["default", "margin"])
def test_broken_rows_of_several_labels_are_ordered_too(strategy: str) -> None:
    view = random_view(40, several=True)
    broken = view.probabilities.copy()
    broken[3], broken[7] = np.nan, 0.0
    order = order_pool(replace(view, probabilities=broken), OrderOptions(strategy=strategy, evaluation_share=0.0))
    assert sorted(order.rows.tolist()) == np.flatnonzero(~view.labelled).tolist()
    assert np.isfinite(order.priority).all()
