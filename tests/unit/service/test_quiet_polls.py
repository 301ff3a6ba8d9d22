"""A poll of a project in which nothing happens reads nothing again, however large the last burst of changes was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from backend.service.context.context import Runtime
from backend.service.ingest.polling import sync_project
from backend.service.projects.project import find_project
from backend.storage.schema import Annotation, Project
from backend.sync.pull import OVERLAP
from tests.application import AppFactory
from tests.small_label_studio import SmallLabelStudio
from tests.unit.service.samples import CONFIG

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

BASKETBALL = [{"from_name": "sport", "to_name": "image", "type": "choices", "value": {"choices": ["basketball"]}}]


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with SmallLabelStudio(7, CONFIG, {number: {"image": f"/data/{number}.jpg"} for number in range(1, 41)}) as server:
        yield server


@pytest.fixture
def runtime(app_factory: AppFactory, label_studio: SmallLabelStudio) -> Runtime:
    app = app_factory(label_studio_url=label_studio.url, label_studio_api_key="0" * 40)
    with app.database.session() as session:
        session.add(Project(id=7, label_config=CONFIG, title="Sports"))
    return app.runtime


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
