"""Few predictions in a large project are stored one by one, many or in a small one by one import."""

from __future__ import annotations

import pytest

from backend.sync.storing import TASKS_PER_CALL, one_by_one

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("count", "tasks", "alone"),
    [
        (1, 100, False),
        (1, TASKS_PER_CALL, False),
        (1, TASKS_PER_CALL + 1, True),
        (10, 1_000, False),
        (10, 15_000, True),
        (50, 15_000, False),
        (200, 1_000_000, True),
    ],
)
def test_the_cheaper_way_goes_by_how_many_and_how_large_the_project_is(count: int, tasks: int, alone: bool) -> None:
    assert one_by_one(count, tasks) is alone
