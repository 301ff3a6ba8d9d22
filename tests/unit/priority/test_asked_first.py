from __future__ import annotations

import numpy as np
import pytest

from backend.priority.asked_first import ask_first
from backend.priority.order import Order

pytestmark = pytest.mark.unit


def order(size: int = 8, window: int = 4) -> Order:
    """Rows 10, 11, … with falling priority."""
    return Order(
        np.arange(10, 10 + size),
        np.linspace(1, 0, size).astype(np.float32),
        {"uncertainty": np.arange(size, dtype=np.float32)},
        [f"reason {row}" for row in range(10, 10 + window)],
        np.arange(size) % 3 == 2,
    )


def test_wanted_rows_take_every_other_place() -> None:
    found = ask_first(order(), [15, 12, 99], "two models disagree")
    assert found.rows.tolist() == [15, 10, 12, 11, 13, 14, 16, 17]
    assert found.reasons == ["two models disagree", "reason 10", "two models disagree", "reason 11"]
    assert found.components["uncertainty"].tolist() == [5, 0, 2, 1, 3, 4, 6, 7]
    assert found.evaluation.tolist() == [True, False, True, False, False, False, False, False]
    assert np.array_equal(found.priority, order().priority)


def test_nothing_wanted_changes_nothing() -> None:
    before = order()
    assert ask_first(before, [], "") is before
    assert ask_first(before, [99], "") is before


def test_all_may_be_wanted() -> None:
    found = ask_first(order(3, 3), [12, 11, 10], "asked")
    assert found.rows.tolist() == [12, 11, 10]
    assert found.reasons == ["asked"] * 3
