from __future__ import annotations

from typing import Any

import pytest

from backend.sync.client import LabelStudioClient
from backend.sync.task_fields import TaskTexts, plan_texts, shown_by, take_texts, write_texts
from tests.small_label_studio import SmallLabelStudio
from tests.unit.labels.test_shipped_configs import CONFIGS

pytestmark = pytest.mark.unit

TEXTS = TaskTexts("tennis 47 %, else squash 12 %", "stands for many photos like it")


def _task(annotations: int = 0, **data: Any) -> dict[str, Any]:
    return {"data": data, "total_annotations": annotations}


def test_texts_join_the_data_in_the_order_of_the_queue() -> None:
    stored = {1: _task(image="a"), 2: _task(image="b", mine=1)}
    written = list(plan_texts(stored, {2: TEXTS, 1: TEXTS, 9: TEXTS}, []))
    assert [task for task, _ in written] == [2, 1]
    assert written[0][1] == {
        "image": "b",
        "mine": 1,
        "suggested_label": "tennis 47 %, else squash 12 %",
        "why_now": "stands for many photos like it",
    }


@pytest.mark.parametrize(
    ("suggested", "writes"),
    [
        ("tennis 52 %, else squash 9 %", 0),
        ("tennis 61 %, else squash 9 %", 1),
        ("squash 47 %, else tennis 12 %", 1),
        ("tennis 47 %", 1),
    ],
)
def test_a_few_percent_are_not_worth_a_write(suggested: str, writes: int) -> None:
    stored = {1: _task(image="a", **TEXTS.as_fields())}
    assert len(list(plan_texts(stored, {1: TaskTexts(suggested, TEXTS.why_now)}, []))) == writes


def test_a_task_that_left_loses_them_unless_it_is_annotated() -> None:
    stored = {
        1: _task(image="a", **TEXTS.as_fields()),
        2: _task(1, image="b", **TEXTS.as_fields()),
        3: _task(image="c"),
    }
    assert list(plan_texts(stored, {}, [1, 2, 3])) == [(1, {"image": "a"})]


@pytest.mark.parametrize("calm", [0, 1, 5])  # times that no newer order waits
def test_the_places_that_people_come_to_first_are_told_though_a_newer_order_waits(calm: int) -> None:
    asked = iter([True] * calm)
    with SmallLabelStudio(1, "<View/>", {task: {"image": f"{task}.jpg"} for task in range(1, 9)}) as label_studio:
        label_studio.tasks[8]["data"] |= TEXTS.as_fields()
        client = LabelStudioClient(label_studio.url, "0" * 40)
        texts = dict.fromkeys([5, 3, 1, 2, 4, 6, 7], TEXTS)
        written = write_texts(client, 1, texts, urgent=2, keep_on=lambda: next(asked, False))
        told = [task for task in texts if "why_now" in label_studio.tasks[task]["data"]]
        assert told == [5, 3, 1, 2, 4, 6, 7][: 2 + max(calm - 1, 0)]
        assert written == len(told)
        assert label_studio.tasks[5]["data"] == {"image": "5.jpg", **TEXTS.as_fields()}
        left = take_texts(client, 1, [8], keep_on=lambda: next(asked, False))
        assert label_studio.tasks[8]["data"]["why_now"] == TEXTS.why_now
        assert left == [8]  # the next order sees to it


@pytest.mark.parametrize(("calm", "left"), [(0, [4, 2, 9, 6]), (1, [4, 2, 9, 6]), (2, [2, 9, 6]), (3, [6]), (9, [])])
def test_texts_that_are_still_to_be_taken_are_told(calm: int, left: list[int]) -> None:
    asked = iter([True] * calm)
    with SmallLabelStudio(1, "<View/>", {task: {"image": f"{task}.jpg"} for task in range(1, 9)}) as label_studio:
        for task in (2, 4, 6):
            label_studio.tasks[task]["data"] |= TEXTS.as_fields()
        client = LabelStudioClient(label_studio.url, "0" * 40)
        assert take_texts(client, 1, [4, 2, 9, 6], keep_on=lambda: next(asked, False)) == left
        told = {task for task in (2, 4, 6) if "why_now" in label_studio.tasks[task]["data"]}
        assert told == set(left) - {9}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_shows_them(path) -> None:
    assert shown_by(path.read_text(encoding="utf-8"))


def test_other_configs_do_not() -> None:
    assert not shown_by('<View><Header value="$suggested_labels"/></View>')
