"""A poll of a project in which nothing happens reads nothing again, however large the last burst of changes was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from backend.service.context.context import Runtime
from backend.service.ingest import polling
from backend.service.ingest.polling import sync_project
from backend.service.projects.project import find_project
from backend.storage.schema import Annotation, Project, Task, now
from backend.sync.pull import OVERLAP, pull_pages
from tests.application import AppFactory
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.polled import label_studio_of, runtime_of

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

BASKETBALL = [{"from_name": "sport", "to_name": "image", "type": "choices", "value": {"choices": ["basketball"]}}]


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with label_studio_of(40) as server:
        yield server


@pytest.fixture
def runtime(app_factory: AppFactory, label_studio: SmallLabelStudio) -> Runtime:
    return runtime_of(app_factory, label_studio)


def poll(runtime: Runtime) -> int:
    """How many tasks a poll reads."""
    read = [0]
    sync_project(runtime, 7, lambda _, message: read.append(int(message.split()[0])), poll=True)
    return read[-1]


def time_passes(runtime: Runtime) -> None:
    """An overlap later: whatever was about to be committed when the news was read is there by now."""
    earlier = Project.synced_news_at
    with runtime.database.session() as session:
        seen = session.scalar(select(earlier).where(Project.id == 7))
        assert seen is not None
        session.execute(update(Project).where(Project.id == 7).values(synced_news_at=seen - OVERLAP))


def test_what_was_read_is_read_again_until_nothing_of_its_time_can_come(
    runtime: Runtime, label_studio: SmallLabelStudio
) -> None:
    assert poll(runtime) == 40
    assert poll(runtime) > 0, "a slow commit of the same moment may still come"
    time_passes(runtime)
    assert poll(runtime) > 0, "the first poll after the overlap looks back once more"
    assert [poll(runtime) for _ in range(3)] == [0, 0, 0]


def test_a_quiet_project_that_wakes_up_is_read_with_its_overlap_again(
    runtime: Runtime, label_studio: SmallLabelStudio
) -> None:
    poll(runtime)
    time_passes(runtime)
    poll(runtime)
    assert poll(runtime) == 0
    label_studio.annotate(5, BASKETBALL)
    assert poll(runtime) == 1
    with runtime.database.session() as session:
        assert session.scalars(select(Annotation.task_id)).all() == [5]
    assert find_project(runtime, 7).synced_news_at is not None
    late = label_studio.tasks[3]
    label_studio.annotate(3, BASKETBALL)
    late["updated_at"] = label_studio.tasks[5]["updated_at"]  # stamped before it was committed
    assert poll(runtime) >= 2
    with runtime.database.session() as session:
        assert set(session.scalars(select(Annotation.task_id))) == {3, 5}


def test_tasks_that_were_committed_late_are_found_by_their_number(
    runtime: Runtime, label_studio: SmallLabelStudio
) -> None:
    late = {number: label_studio.tasks.pop(number) for number in (11, 12, 13)}  # an import that takes minutes
    poll(runtime)
    time_passes(runtime)
    assert [poll(runtime) for _ in range(2)][1] == 0
    label_studio.tasks |= late
    label_studio.tasks[12]["annotations"] = [
        {"id": 900, "task": 12, "result": BASKETBALL, "updated_at": late[12]["updated_at"], "completed_by": 1}
    ]
    poll(runtime)
    with runtime.database.session() as session:
        assert set(session.scalars(select(Task.task_id))) == set(range(1, 41))
        assert session.scalars(select(Annotation.annotation_id)).all() == [900]
    assert poll(runtime) == 0


def test_a_change_of_the_first_page_while_the_last_one_is_read_is_found(
    runtime: Runtime, label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LONG_PULL", timedelta(0))  # as where there are thousands of pages
    stamped_now(label_studio)
    answer = label_studio.answer
    pages = [0]

    def meanwhile(method: str, target: str, body: Any) -> tuple[int, Any]:
        if "/api/tasks" in target:
            pages[0] += 1
            if pages[0] == 2:  # the first page is read
                label_studio.annotate(1, BASKETBALL)
                label_studio.annotate(40, BASKETBALL)  # a minute later: more than the overlap
        return answer(method, target, body)

    monkeypatch.setattr(polling, "pull_pages", partial(pull_pages, page_size=20))
    label_studio.answer = meanwhile  # type: ignore[method-assign]
    poll(runtime)
    poll(runtime)
    with runtime.database.session() as session:
        assert set(session.scalars(select(Annotation.task_id))) == {1, 40}


def stamped_now(label_studio: SmallLabelStudio) -> None:
    """Label Studio's clock shows what ours does."""
    passed = now() - datetime.fromisoformat(label_studio.tasks[1]["updated_at"].replace("Z", "+00:00"))
    label_studio._clock = int(passed / timedelta(minutes=1))
