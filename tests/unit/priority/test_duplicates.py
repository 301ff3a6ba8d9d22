from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.priority import OrderOptions, PoolView, order_pool
from backend.priority.duplicates import duplicates

pytestmark = pytest.mark.unit


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


def test_without_digests_nothing_is_a_copy() -> None:
    pool = replace(view(["a", "a"]), digests=None)
    assert not duplicates(pool, np.ones(2, dtype=bool)).any()
