"""What is asked often costs the database no more for a thousand rows, or many projects, than for one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from backend.api.app import create_app
from backend.jobs.queue import JobQueue
from backend.labels import parse_label_config
from backend.service.context.context import Runtime
from backend.service.ingest.polling import sync_project
from backend.service.projects.annotations import annotation_values, record_annotations, record_deletions
from backend.service.projects.project import set_up_project
from backend.service.projects.tasks import record_tasks
from backend.storage.schema import Annotation, ModelVersion, Project, Task, now
from tests.statements import statements
from tests.unit.service.samples import CONFIG, annotation, task
from tests.unit.sync.scripted_server import Answer, ScriptedServer

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


def test_setting_up_a_project_again_writes_nothing(runtime: Runtime) -> None:
    set_up_project(runtime, 7, label_config=CONFIG)
    with statements(runtime.database) as sent:
        set_up_project(runtime, 7, label_config=CONFIG)
    assert [statement.split()[0] for statement in sent] == ["SELECT"]


def test_a_call_of_predict_reads_its_project_once(runtime: Runtime, jobs: JobQueue) -> None:
    set_up_project(runtime, 7, label_config=CONFIG)
    with runtime.database.session() as session:
        image = task(1)["data"]["image"]
        session.add(Task(project_id=7, task_id=1, data=task(1)["data"], image=image, failure="unreachable"))
    client = create_app(runtime, jobs).test_client()
    with statements(runtime.database) as sent:
        answer = client.post("/predict", json={"project": "7.1", "label_config": CONFIG, "tasks": [task(1)]})
    assert answer.get_json()["results"] == [[]]
    assert [statement.split()[0] for statement in sent] == ["SELECT", "SELECT"]  # the project, the task


@pytest.mark.parametrize("path", ["/projects", "/versions"])
def test_a_list_of_projects_costs_as_much_as_one(runtime: Runtime, jobs: JobQueue, path: str) -> None:
    client = create_app(runtime, jobs).test_client()
    costs = []
    for number in range(1, 6):
        with runtime.database.session() as session:
            session.add(Project(id=number, published_version="wordnet.1"))
            session.flush()
            session.add(Task(project_id=number, task_id=1, data={}, digest="0" * 64))
            session.add(ModelVersion(project_id=number, version="head-1", kind="head", status="serving", backbone="b"))
        with statements(runtime.database) as sent:
            answer = client.get(path).get_json()
        costs.append(len(sent))
    assert len(set(costs)) == 1
    if path == "/projects":
        counts = {"total": 1, "embedded": 1, "failed": 0, "pending": 0}
        assert [project["tasks"] for project in answer["projects"]] == [counts] * 5
    else:
        assert answer["versions"] == ["wordnet.1", "head-1"]


def test_a_page_of_tasks_and_annotations_is_a_few_statements(runtime: Runtime) -> None:
    set_up_project(runtime, 7, label_config=CONFIG)
    config = parse_label_config(CONFIG)
    database = runtime.database
    tasks = [task(number) for number in range(400)]
    states = [annotation_values(number, annotation(number, task=number)) for number in range(400)]
    with statements(database) as sent, database.session() as session:
        assert record_tasks(session, database, 7, config, [*tasks, tasks[0]]) == 400
        assert record_annotations(session, database, 7, states, listed_at=now()) == 400
        assert record_deletions(session, database, 7, range(300, 500))
    assert len(sent) <= 4
    with database.session() as session:
        deleted = session.scalars(select(Annotation.annotation_id).where(Annotation.deleted.is_(True)))
        assert sorted(deleted) == list(range(300, 500))
        tasks[3] = {"id": 3, "data": {"image": "/another.jpg"}}
        assert record_tasks(session, database, 7, config, tasks) == 1
        assert record_annotations(session, database, 7, states) == 0


def test_a_poll_that_finds_all_tasks_there_reads_no_list_of_them(runtime: Runtime) -> None:
    listed = {"id": 7, "label_config": CONFIG, "title": "Sports", "model_version": "", "task_number": 3}
    none, all_three = {"tasks": [], "total": 0}, {"tasks": [{"id": 0}], "total": 3}
    with ScriptedServer(Answer(200, listed), Answer(200, none), Answer(200, all_three)) as server:
        reading = connected(runtime, server.url)
        with statements(runtime.database) as sent:
            sync_project(reading, 7, lambda part, message: None)
    assert not [statement for statement in sent if re.search(r"SELECT task.task_id FROM task WHERE [^L]*$", statement)]


def connected(runtime: Runtime, url: str) -> Runtime:
    """The same state, with access to a Label Studio; three tasks are known."""
    with runtime.database.session() as session:
        session.add(Project(id=7, label_config=CONFIG, title="Sports"))
        session.flush()
        session.add_all(Task(project_id=7, task_id=number, data={}, digest="0" * 64) for number in range(3))
    access: dict[str, Any] = {"label_studio_url": url, "label_studio_api_key": "0" * 40}
    return Runtime(runtime.settings.model_copy(update=access), runtime.database, runtime.jobs)
