"""A window is opened, written down, published and settled; one that a newer window overtook changes nothing."""

from __future__ import annotations

import pytest

from backend.errors import LabelStudioError
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, set_up_project
from backend.service.queue.pace import PublicationPace
from backend.service.queue.publishing import Publishing, open_window
from backend.service.queue.queue_window import current_window, replace_window, same_window
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Project, QueueItem
from backend.sync.version_names import WindowName
from tests.unit.service.samples import CONFIG, choice
from tests.unit.service.test_pace import Clock, Recorder
from tests.unit.sync.scripted_server import Answer, ScriptedServer

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


@pytest.fixture
def project(runtime: Runtime) -> int:
    set_up_project(runtime, 7, label_config=CONFIG, title="Sports")
    return 7


def window(serial: int, *tasks: int) -> list[QueueItem]:
    return [
        QueueItem(
            project_id=7,
            version=f"propagation.{serial}",
            position=place,
            task_id=task,
            score=0.1 * (place + 1),
            priority=0.5,
            components={},
            reason="new",
            result=choice("Golf"),
        )
        for place, task in enumerate(tasks)
    ]


def write_down(database: Database, items: list[QueueItem]) -> None:
    with database.session() as session:
        replace_window(session, 7, items)
        session.get_one(Project, 7).snapshot = items[0].version


def test_where_label_studio_asks_each_window_is_a_version(runtime: Runtime, database: Database, project: int) -> None:
    serial = open_window(runtime, project)
    items = window(serial, 5, 3, 9)
    name, pace = WindowName("propagation", serial), PublicationPace()
    publishing = Publishing(runtime, find_project(runtime, project), name, items, [], tasks=10, whole=True, pace=pace)
    assert publishing.begin() == f"propagation.{serial}"
    write_down(database, items)
    assert [item.task_id for item in current_window(runtime, find_project(runtime, project))] == [5, 3, 9]
    assert same_window(current_window(runtime, find_project(runtime, project)), window(99, 5, 3, 9))
    assert not find_project(runtime, project).window_settled
    publishing.settle()
    assert find_project(runtime, project).window_settled

    write_down(database, window(open_window(runtime, project), 3, 5))
    publishing.settle()  # of the window before
    assert not find_project(runtime, project).window_settled
    assert [item.task_id for item in current_window(runtime, find_project(runtime, project))] == [3, 5]


def test_a_label_studio_that_does_not_answer_leaves_the_window_open(
    runtime: Runtime, database: Database, settings: Settings, project: int
) -> None:
    serial = open_window(runtime, project)
    with ScriptedServer(Answer(403, {"detail": "No."})) as server:
        access = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        pushing = Runtime(settings.model_copy(update=access), database, runtime.jobs)
        pace = Recorder(Clock())
        name, found = WindowName("propagation", serial), find_project(pushing, project)
        publishing = Publishing(pushing, found, name, window(serial, 1), [], tasks=10, whole=True, pace=pace)
        with pytest.raises(LabelStudioError):
            publishing.begin()
    assert pace.told == [(project, 3)]  # what failed took its time too
    found = find_project(runtime, project)
    assert not found.window_settled
    assert found.published_version == ""
