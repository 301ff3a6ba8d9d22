"""Labels that tasks bring in their data are kept with the project, so that nobody reads all tasks to know them."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import LabelConfigError
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.storage.schema import Project, Task
from tests.statements import statements

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


def config(key: str) -> str:
    return f'<View><Image name="i" value="$image"/><Choices name="c" toName="i" value="${key}"/></View>'


def task(number: int, **data: Any) -> dict[str, Any]:
    return {"id": number, "data": {"image": f"{number}.jpg", **data}}


def created(runtime: Runtime, *tasks: dict[str, Any], key: str = "sports") -> None:
    project = {"id": 7, "title": "Sports", "label_config": config(key)}
    handle_event(runtime, "TASKS_CREATED", {"project": project, "tasks": list(tasks)})


def labels(runtime: Runtime) -> list[str]:
    (space,) = labels_of(runtime, find_project(runtime, 7)).spaces
    return [label.value for label in space.control.labels]


def test_labels_come_with_tasks_and_keep_their_places(runtime: Runtime) -> None:
    created(runtime, task(2, sports=["Tennis", "Golf"]), task(1, sports=["Golf"]))
    assert labels(runtime) == ["Tennis", "Golf"]
    created(runtime, task(3, sports=["Rowing", {"value": "Tennis"}]), task(4), task(5, sports="no list"))
    assert labels(runtime) == ["Tennis", "Golf", "Rowing"]


def test_looking_labels_up_reads_no_task(runtime: Runtime) -> None:
    created(runtime, *(task(number, sports=["Tennis", f"Sport {number % 3}"]) for number in range(50)))
    project = find_project(runtime, 7)
    labels_of(runtime, project)
    with statements(runtime.database) as sent:
        labels_of(runtime, project)
    assert sent == []


def test_a_config_that_names_another_key_takes_the_labels_of_tasks_that_are_there(runtime: Runtime) -> None:
    created(runtime, task(1, sports=["Tennis"], games=["Chess"]), task(2, games=["Go", "Chess"]))
    set_up_project(runtime, 7, label_config=config("games"))
    assert labels(runtime) == ["Chess", "Go"]
    assert set(find_project(runtime, 7).dynamic_options) == {"sports", "games"}


def test_tasks_stored_before_their_labels_were_kept_are_read_once(runtime: Runtime) -> None:
    with runtime.database.session() as session:
        session.add(Project(id=7, label_config=config("sports")))
        session.flush()
        session.add(Task(project_id=7, task_id=1, data={"image": "1.jpg", "sports": ["Tennis"]}, image="1.jpg"))
    assert labels(runtime) == ["Tennis"]
    with statements(runtime.database) as sent:
        assert labels(runtime) == ["Tennis"]
    assert not [statement for statement in sent if "FROM task" in statement]


def test_a_project_whose_tasks_bring_no_label_says_so(runtime: Runtime) -> None:
    created(runtime, task(1))
    with pytest.raises(LabelConfigError, match="its tasks bring none"):
        labels(runtime)
