"""Rules of a window that hold before anything is sent: scores, steps, names."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.sync.client import LabelStudioClient
from backend.sync.connect import tab_data, webhook_url
from backend.sync.placing import LAST, keep_most, place_scores
from backend.sync.publish import Publication, PublishReport
from backend.sync.task_calls import TaskFilter
from backend.sync.version_names import SupersededName, WindowName, model_of
from backend.sync.window_plan import BEHIND, StoredTask, WindowItem, plan_window

pytestmark = pytest.mark.unit

HOUR = datetime(2026, 1, 2, 15, tzinfo=UTC)
SUPERSEDED = SupersededName("model", HOUR)


def rises_inside(scores: list[float]) -> bool:
    return all(0.0 < score < LAST for score in scores) and all(a < b for a, b in itertools.pairwise(scores))


@given(st.integers(min_value=0, max_value=10_000))
def test_a_first_window_has_distinct_rising_scores(count: int) -> None:
    scores = place_scores([None] * count)
    assert len(scores) == count
    assert rises_inside(scores)


@given(st.lists(st.none() | st.floats(min_value=-0.2, max_value=1.2), max_size=40))
def test_any_order_of_any_scores_is_placed_and_what_stands_right_stays(current: list[float | None]) -> None:
    placed = place_scores(current)
    assert rises_inside(placed)
    kept = [place for place, (old, new) in enumerate(zip(current, placed, strict=True)) if old == new]
    room = len(keep_most(current)) == len(kept)
    assert room or placed == place_scores([None] * len(current)), "all keep most, or there was no room between them"


def test_one_that_moves_is_the_only_one_placed_anew() -> None:
    scores = place_scores([None] * 6)
    order = [0, 4, 1, 2, 3, 5]
    placed = place_scores([scores[item] for item in order])
    assert [item for item, score in zip(order, placed, strict=True) if score != scores[item]] == [4]


def test_thousands_of_annotations_leave_room_for_the_next() -> None:
    order = list(range(50))
    scores = dict(zip(order, place_scores([None] * 50), strict=True))
    changed = 0
    for step in range(5_000):
        moved = order.pop(1 + step % 40)
        order = [*order[1:6], moved, *order[6:], 50 + 2 * step, 51 + 2 * step][:50]
        placed = place_scores([scores.get(item) for item in order])
        assert rises_inside(placed)
        changed += sum(scores.get(item) not in (None, score) for item, score in zip(order, placed, strict=True))
        scores = dict(zip(order, placed, strict=True))
    assert changed < 3 * 5_000


def choice(label: str, probability: float = 0.5) -> list[dict[str, Any]]:
    return [{"from_name": "what", "type": "choices", "value": {"choices": [label]}, "score": probability}]


def stored(task: int, *rows: tuple[int, str, float], annotated: bool = False, version: str = "model") -> StoredTask:
    predictions = tuple(
        {"id": number, "result": choice(label), "score": score, "model_version": version}
        for number, label, score in rows
    )
    return StoredTask(task, annotated, predictions)


def test_nothing_is_done_where_the_window_stands() -> None:
    tasks = {1: stored(1, (11, "cat", 0.1)), 2: stored(2, (12, "cup", 0.2))}
    plan = plan_window("model", [WindowItem(1, choice("cat", 0.9)), WindowItem(2, choice("cup"))], tasks, SUPERSEDED)
    assert plan.steps == ()
    assert plan.scores == {1: 0.1, 2: 0.2}


def test_a_label_is_never_changed_under_an_annotator() -> None:
    plan = plan_window("model", [WindowItem(1, choice("cup"))], {1: stored(1, (11, "cat", 0.1))}, SUPERSEDED)
    (step,) = plan.steps
    assert step.created == {"task": 1, "result": choice("cup"), "score": 0.1, "model_version": "model"}
    assert step.changes == ((11, {"model_version": str(SUPERSEDED)}),)


@given(st.lists(st.sampled_from([None, 0.0, 0.1, 0.2, 0.25, 0.3, 0.4, BEHIND]), max_size=12), st.data())
def test_once_all_steps_below_a_place_are_done_the_places_up_to_it_are_right(
    before: list[float | None], data: st.DataObject
) -> None:
    """Also where what left the window stands between photos that keep their scores."""
    tasks = {
        task: stored(task) if score is None else stored(task, (100 + task, "cat", score))
        for task, score in enumerate(before)
    }
    order = data.draw(st.permutations(list(tasks)))[: data.draw(st.integers(0, len(tasks)))]
    plan = plan_window("model", [WindowItem(task, choice("cat")) for task in order], tasks, SUPERSEDED)
    queue = {task: score for task, score in enumerate(before) if score is not None}
    for urgency in range(len(order) + 1):
        for step in plan.steps:
            if step.urgency < urgency:
                queue[step.task_id] = step.created["score"] if step.created else step.changes[0][1].get("score", 1.0)
        first = sorted(queue, key=lambda task: (queue[task], task not in order))[:urgency]
        assert first == order[:urgency]


def test_steps_are_sorted_by_the_better_of_the_places_before_and_after() -> None:
    tasks = {task: stored(task, (10 + task, "cat", task / 100)) for task in range(1, 7)}
    tasks[9] = stored(9)
    order = [6, 2, 3, 9, 5, 1]  # the last comes first, the first goes last, 4 leaves, 9 joins
    plan = plan_window("model", [WindowItem(task, choice("cat")) for task in order], tasks, SUPERSEDED)
    steps = [
        (step.urgency, step.task_id, bool(step.created), [list(f) for _, f in step.changes]) for step in plan.steps
    ]
    assert steps == [
        (0, 6, False, [["model_version", "score", "result"]]),
        (0, 1, False, [["model_version", "score", "result"]]),
        (3, 9, True, []),
        (3, 4, False, [["score"]]),
    ]


def test_a_task_that_left_goes_behind_the_window_first_and_out_of_it_next_time() -> None:
    """So that whoever is being handed its photo in this moment sees it with its suggestion."""
    left = {1: stored(1, (11, "cat", 0.1)), 2: stored(2, (12, "cat", BEHIND))}
    plan = plan_window("model", [], left, SUPERSEDED)
    assert [step.changes for step in plan.steps] == [
        ((11, {"score": BEHIND}),),
        ((12, {"model_version": str(SUPERSEDED)}),),
    ]


def test_whoever_comes_back_gets_the_same_prediction_again() -> None:
    left = stored(1, (11, "cat", 0.3), (12, "cup", 0.4), version=str(SupersededName("model", HOUR)))
    plan = plan_window("model", [WindowItem(1, choice("cup"))], {1: left}, SUPERSEDED)
    (step,) = plan.steps
    assert step.created is None
    assert [(number, fields["model_version"]) for number, fields in step.changes] == [(12, "model")]


def test_annotated_and_deleted_tasks_need_nothing() -> None:
    tasks = {1: stored(1, (11, "cat", 0.1), annotated=True), 2: stored(2, (12, "cat", 0.2), annotated=True)}
    plan = plan_window("model", [WindowItem(1, choice("cup")), WindowItem(3, choice("cup"))], tasks, SUPERSEDED)
    assert (plan.steps, plan.scores, plan.missing) == ((), {}, (3,))


@pytest.mark.parametrize(
    ("version", "tasks", "words"), [("", [1], "must not be empty"), ("model", [1, 1], "holds a task twice")]
)
def test_wrong_windows_are_refused_before_any_call(version: str, tasks: list[int], words: str) -> None:
    nowhere = LabelStudioClient("http://127.0.0.1:9", "token")
    with pytest.raises(ValueError, match=words):
        Publication(nowhere, 1, version, [WindowItem(task, []) for task in tasks], SUPERSEDED)


def test_names_are_read_as_they_are_written() -> None:
    window, superseded = WindowName("fine-tuned-3", 12), SupersededName("head-1", HOUR)
    assert str(window) == "fine-tuned-3.12"
    assert str(superseded) == "head-1 superseded 2026-01-02 15 UTC"
    assert WindowName.parse(str(window)) == window
    assert SupersededName.parse(str(superseded)) == superseded
    assert [model_of(name) for name in (str(window), str(superseded), "head-1")] == ["fine-tuned-3", "head-1", "head-1"]


@pytest.mark.parametrize("name", ["head-1", "", "head-1.", ".4", "head-1 superseded 2026-13-02 15 UTC", "head-1.x"])
def test_other_names_are_none_of_ours(name: str) -> None:
    assert WindowName.parse(name) is None
    assert SupersededName.parse(name) is None


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


def test_a_publication_takes_one_short_line_of_the_log_however_large_its_window_is() -> None:
    scores = {task: task / 10_000 for task in range(5_000)}
    assert str(PublishReport("head-1", scores, right=12)) == "5000 places, the first 12 right"
    dropped = dict.fromkeys(range(5000, 8000), "it is gone from Label Studio")
    line = str(PublishReport("head-1", scores, dropped, moved=True, right=5000))
    assert line.startswith(
        "5000 places, the first 5000 right, the project moved to them; task 5000 is left out: it is gone"
    )
    assert line.endswith("3000 are left out in all")
    assert len(line) < 400
