"""Rules of a window that hold before anything is sent."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.sync.client import LabelStudioClient, TaskFilter
from backend.sync.connect import tab_data, webhook_url
from backend.sync.publish import WindowItem, publish_window, scores_for

pytestmark = pytest.mark.unit


@given(st.integers(min_value=0, max_value=10_000))
def test_scores_are_distinct_rising_and_inside(count: int) -> None:
    scores = scores_for(count)
    assert len(scores) == count
    assert all(0.0 < score < 1.0 for score in scores)
    assert all(earlier < later for earlier, later in itertools.pairwise(scores))


def test_scores_of_three_places() -> None:
    assert scores_for(3) == [0.25, 0.5, 0.75]


def items(*pairs: tuple[int, float]) -> list[WindowItem]:
    return [WindowItem(task_id, [], score) for task_id, score in pairs]


@pytest.mark.parametrize(
    ("version", "window", "superseded", "words"),
    [
        ("", items((1, 0.5)), [], "must not be empty"),
        ("v", items((1, 0.5)), ["v"], "cannot supersede itself"),
        ("v", items((1, 0.1), (1, 0.2)), [], "holds a task twice"),
        ("v", items((1, 0.2), (2, 0.2)), [], "not strictly increasing"),
        ("v", items((1, 0.3), (2, 0.2)), [], "not strictly increasing"),
        ("v", items((1, -0.1)), [], r"outside \[0, 1\]"),
        ("v", items((1, 1.1)), [], r"outside \[0, 1\]"),
        ("v", items((1, math.nan)), [], r"outside \[0, 1\]"),
        ("v", items((1, math.inf)), [], r"outside \[0, 1\]"),
    ],
)
def test_wrong_windows_are_refused_before_any_call(
    version: str, window: list[WindowItem], superseded: list[str], words: str
) -> None:
    nowhere = LabelStudioClient("http://127.0.0.1:9", "token")
    with pytest.raises(ValueError, match=words):
        publish_window(nowhere, 1, version, window, superseded)


def test_filter_has_the_form_of_the_data_manager() -> None:
    assert TaskFilter("id", "greater", "Number", 7).as_item() == {
        "filter": "filter:tasks:id",
        "operator": "greater",
        "type": "Number",
        "value": 7,
    }


def test_tab_is_ordered_by_the_score_which_it_does_not_show_as_a_confidence() -> None:
    data = tab_data("Next")
    assert data["title"] == "Next"
    assert data["ordering"] == ["tasks:predictions_score"]
    assert "tasks:predictions_score" in data["hiddenColumns"]["explore"]
    # Without texts in the tasks' data the stored result is all there is to see of a suggestion.
    assert "tasks:predictions_results" not in data["hiddenColumns"]["explore"]
    assert "tasks:predictions_results" in tab_data("Next", texts=True)["hiddenColumns"]["explore"]


@pytest.mark.parametrize("url", ["http://backend:9090", "http://backend:9090/"])
def test_webhook_address_is_the_one_that_label_studio_makes_up(url: str) -> None:
    assert webhook_url(url) == "http://backend:9090/webhook"
