from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.learning.same_photo import SAME_PHOTO, same_photo_edges
from backend.priority import OrderOptions, PoolView, evaluation_mask, order_pool
from backend.priority.candidates import only_rows
from backend.priority.duplicates import duplicates

pytestmark = pytest.mark.unit

REPEATED = "the same picture as another one, whose answer is its suggestion"


def view(digests: list[str], labelled: tuple[int, ...] = ()) -> PoolView:
    rng = np.random.default_rng(0)
    names = sorted(set(digests))
    space = rng.normal(size=(len(names), 8)).astype(np.float32)[[names.index(name) for name in digests]]
    space /= np.linalg.norm(space, axis=1, keepdims=True)
    beliefs = np.full((len(digests), 3), 1 / 3, dtype=np.float32)
    marked = np.zeros(len(digests), dtype=bool)
    marked[list(labelled)] = True
    return PoolView(space, beliefs, marked, digests=digests, annotated_probabilities=beliefs[marked])


@pytest.mark.parametrize("strategy", ["default", "margin", "random"])
def test_the_same_file_is_asked_about_once(strategy: str) -> None:
    digests = ["a", "b", "a", "c", "a", "d", "d"]
    order = order_pool(view(digests), OrderOptions(strategy=strategy, window=4, evaluation_share=0.0))
    assert sorted(order.rows.tolist()) == list(range(7))
    assert len({digests[row] for row in order.rows[:4]}) == 4
    assert (np.diff(order.priority) <= 0).all()


def test_copies_of_what_was_answered_come_last() -> None:
    order = order_pool(view(["a", "b", "a", "c", "a"], labelled=(2,)), OrderOptions(window=2, evaluation_share=0.0))
    assert sorted(order.rows[:2].tolist()) == [1, 3]
    assert sorted(order.rows[2:].tolist()) == [0, 4]


def test_a_file_of_the_evaluation_sample_is_asked_about_once_too() -> None:
    names = [f"{number:03d}" for number in range(200)]
    repeated = next(name for name in names if evaluation_mask([name], 0.1)[0])
    digests = names + [repeated] * 30
    order = order_pool(view(digests), OrderOptions(window=230, evaluation_share=0.1))
    assert sorted(order.rows.tolist()) == list(range(230))
    copies = np.flatnonzero([digests[row] == repeated for row in order.rows])
    assert copies.size == 31
    assert copies[1] > np.flatnonzero(~order.evaluation)[-1], "one of them is asked about, the others come last"
    assert order.evaluation.sum() == evaluation_mask(digests, 0.1).sum()
    assert order.reasons[copies[1]] == "the same picture as another one of the random sample"
    assert (np.diff(order.priority) <= 0).all()
    answered = order_pool(view(digests, labelled=(200,)), OrderOptions(window=230, evaluation_share=0.1))
    copies = np.flatnonzero([digests[row] == repeated for row in answered.rows])
    assert copies[0] > np.flatnonzero(~answered.evaluation)[-1]


def test_without_digests_nothing_is_a_copy() -> None:
    pool = replace(view(["a", "a"]), digests=None)
    assert not duplicates(pool, np.ones(2, dtype=bool), np.zeros(0, dtype=np.intp)).any()


def chain(cosines: list[float], **changes: Any) -> PoolView:
    """Photos 0, 1, 2, … of which each is as much like the next one as `cosines` says, and like no other."""
    n = len(cosines) + 1
    neighbours = np.full((n, 3), -1, dtype=np.int32)
    similarities = np.zeros((n, 3), dtype=np.float32)
    for row, cosine in enumerate(cosines):
        neighbours[row, 0], similarities[row, 0] = row + 1, cosine
        neighbours[row + 1, 1], similarities[row + 1, 1] = row, cosine
    pool = view([f"{row:02d}" for row in range(n)])
    same = same_photo_edges(neighbours, similarities, None)
    return replace(pool, neighbours=neighbours, similarities=similarities, same_photo=same, **changes)


ALIKE, OTHER = (1 + SAME_PHOTO) / 2, SAME_PHOTO - 0.01


@pytest.mark.parametrize("strategy", ["default", "margin", "random"])
def test_the_same_picture_in_another_file_is_asked_about_once(strategy: str) -> None:
    pool = chain([ALIKE, OTHER, ALIKE])
    order = order_pool(pool, OrderOptions(strategy=strategy, window=4, evaluation_share=0.0))
    assert sorted(order.rows[:2].tolist()) == [0, 2]
    assert sorted(order.rows[2:].tolist()) == [1, 3]
    assert [reason == REPEATED for reason in order.reasons] == [False, False, True, True]


def test_the_same_picture_as_an_answered_one_comes_last() -> None:
    pool = chain([OTHER, ALIKE, OTHER])
    pool.labelled[1] = True
    order = order_pool(
        replace(pool, annotated_probabilities=np.eye(3, dtype=np.float32)[:1]),
        OrderOptions(window=3, evaluation_share=0.0),
    )
    assert sorted(order.rows[:2].tolist()) == [0, 3]
    assert order.rows[2] == 2
    assert order.reasons[2] == REPEATED


def test_a_skipped_photo_leaves_its_like_in_the_queue() -> None:
    pool = chain([ALIKE, OTHER])
    pool.labelled[0] = True
    skipped = replace(pool, annotated_probabilities=np.zeros((1, 3), dtype=np.float32))
    order = order_pool(skipped, OrderOptions(window=2, evaluation_share=0.0))
    assert REPEATED not in order.reasons


def test_in_a_slow_series_every_few_photos_are_asked_about() -> None:
    pool = chain([ALIKE] * 6)
    assert duplicates(pool, np.ones(7, dtype=bool), np.zeros(0, dtype=np.intp)).tolist() == [False, True] * 3 + [False]


def test_the_order_of_the_tasks_does_not_decide_which_one_is_asked_about() -> None:
    pool = chain([ALIKE, OTHER, ALIKE])
    turned = only_rows(pool, np.array([3, 1, 0, 2]))
    options = OrderOptions(window=2, evaluation_share=0.0)
    names = [[view.digests[row] for row in order_pool(view, options).rows] for view in (pool, turned)]
    assert names[0] == names[1]
