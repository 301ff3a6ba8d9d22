"""What no poll by time stamps brings is found by Label Studio's counts: late commits, and deletions that nobody told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from backend.service.context.context import Runtime
from backend.service.ingest.polling import sync_project
from backend.service.projects.project import find_project
from backend.storage.schema import Annotation, Project, Task
from backend.sync.pull import OVERLAP
from tests.application import AppFactory
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.polled import label_studio_of, runtime_of
from tests.unit.service.samples import choice

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

LONG_AGO = "2020-01-01T00:00:00.000000Z"


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with label_studio_of(20) as server:
        yield server


@pytest.fixture
def runtime(app_factory: AppFactory, label_studio: SmallLabelStudio) -> Runtime:
    return runtime_of(app_factory, label_studio)


def poll(runtime: Runtime) -> dict[str, Any]:
    return sync_project(runtime, 7, lambda _fraction, _message: None, poll=True)


def settle(runtime: Runtime) -> None:
    """Polls until nothing of the time of the last change can still come: then they ask for news alone."""
    poll(runtime)
    with runtime.database.session() as session:
        read_at = session.scalars(select(Project.synced_news_at)).one()
        assert read_at is not None
        session.execute(update(Project).values(synced_news_at=read_at - OVERLAP))
    poll(runtime)
    assert find_project(runtime, 7).synced_news_at is None


def tasks(runtime: Runtime) -> set[int]:
    with runtime.database.session() as session:
        return set(session.scalars(select(Task.task_id)))


def annotations(runtime: Runtime) -> set[int]:
    with runtime.database.session() as session:
        return set(session.scalars(select(Annotation.annotation_id).where(Annotation.deleted.is_(False))))


def committed_late(label_studio: SmallLabelStudio, *numbers: int) -> None:
    """Tasks whose transaction took longer than a poll looks back."""
    for number in numbers:
        label_studio.tasks[number] = {
            "id": number,
            "data": {"image": f"/data/{number}.jpg"},
            "annotations": [],
            "predictions": [],
            "updated_at": LONG_AGO,
        }


@pytest.mark.parametrize("numbers", [(21, 22), (90,)], ids=["behind the newest known", "with a newer one known"])
def test_tasks_committed_long_after_their_stamp_are_found_within_two_polls(
    runtime: Runtime, label_studio: SmallLabelStudio, numbers: tuple[int, ...]
) -> None:
    settle(runtime)
    if numbers == (90,):
        committed_late(label_studio, 100)
        label_studio.annotate(100, choice("Golf"))
        settle(runtime)
    known = tasks(runtime)
    committed_late(label_studio, *numbers)
    label_studio.tasks[numbers[0]]["annotations"] = [
        {"id": 500, "task": numbers[0], "result": choice("Tennis"), "updated_at": LONG_AGO}
    ]
    for _ in range(2):
        poll(runtime)
    assert tasks(runtime) == known | set(numbers)
    assert 500 in annotations(runtime), "what was imported with them"


def test_annotations_that_came_or_went_without_a_stamp_are_found_within_two_polls(
    runtime: Runtime, label_studio: SmallLabelStudio
) -> None:
    kept = label_studio.annotate(1, choice("Golf"))["id"]
    label_studio.annotate(2, choice("Golf"))
    settle(runtime)
    label_studio.tasks[2]["annotations"] = []
    label_studio.tasks[3]["annotations"] = [
        {"id": number, "task": 3, "result": choice("Tennis"), "updated_at": LONG_AGO} for number in (600, 601)
    ]
    for _ in range(2):
        poll(runtime)
    assert annotations(runtime) == {kept, 600, 601}


def test_a_task_that_went_while_another_came_late_is_found_by_its_annotations(
    runtime: Runtime, label_studio: SmallLabelStudio
) -> None:
    label_studio.annotate(5, choice("Golf"))
    settle(runtime)
    committed_late(label_studio, 30)
    del label_studio.tasks[5]
    for _ in range(3):
        poll(runtime)
    assert tasks(runtime) == set(label_studio.tasks)
    assert annotations(runtime) == set()


def test_a_difference_that_stays_is_looked_into_once_and_again_when_it_changes(
    runtime: Runtime, label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(runtime)
    label_studio.tasks[3]["annotations"] = [{"id": 700, "task": 3, "result": "nonsense", "updated_at": LONG_AGO}]
    calls = count_passes(label_studio, monkeypatch)
    for _ in range(6):
        poll(runtime)
    assert len(calls) == 1
    label_studio.tasks[4]["annotations"] = [{"id": 701, "task": 4, "result": choice("Tennis"), "updated_at": LONG_AGO}]
    for _ in range(6):
        poll(runtime)
    assert annotations(runtime) == {701}
    assert len(calls) == 2


def test_where_the_counts_agree_no_poll_asks_more_than_before(
    runtime: Runtime, label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_studio.annotate(1, choice("Golf"))
    settle(runtime)
    calls = count_passes(label_studio, monkeypatch)
    asked: list[str] = []
    answer = label_studio.answer

    def counting(method: str, target: str, body: Any) -> tuple[int, Any]:
        asked.append(target)
        return answer(method, target, body)

    monkeypatch.setattr(label_studio, "answer", counting)
    poll(runtime)
    assert calls == []
    assert len(asked) == 3, "the project, what changed, and how many tasks there are"


def test_a_label_studio_that_does_not_count_is_polled_as_ever(
    runtime: Runtime, label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = label_studio.answer

    def without_counts(method: str, target: str, body: Any) -> tuple[int, Any]:
        status, found = answer(method, target, body)
        if target.startswith("/api/projects/"):
            found = {name: value for name, value in found.items() if not name.endswith("_number")}
        return status, found

    monkeypatch.setattr(label_studio, "answer", without_counts)
    for _ in range(3):
        poll(runtime)
    assert tasks(runtime) == set(range(1, 21))


def count_passes(label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that begin to go through all tasks."""
    calls: list[str] = []
    answer = label_studio.answer

    def counting(method: str, target: str, body: Any) -> tuple[int, Any]:
        if "include=id%2Ctotal_annotations" in target:
            calls.append(target)
        return answer(method, target, body)

    monkeypatch.setattr(label_studio, "answer", counting)
    return calls
