"""Where a person cancelled the reading of photos, nothing but new photos or a person begins it again."""

from __future__ import annotations

from typing import Any

import pytest

from backend.jobs.cancellation import cancel
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import ask_for_unseen
from backend.service.ingest.polling import sync_project
from backend.service.projects.project import set_up_project
from backend.service.projects.tasks import record_tasks
from backend.storage.schema import Task
from tests.application import Application
from tests.unit.sync.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.unit

CONFIG = """<View><Image name="i" value="$i"/><Choices name="c" toName="i"><Choice value="a"/><Choice value="b"/>
</Choices></View>"""


@pytest.fixture
def project(application: Application) -> Application:
    set_up_project(application.runtime, 1, label_config=CONFIG)
    with application.database.session() as session:
        session.add(Task(project_id=1, task_id=1, data={"i": "a.jpg"}, image="a.jpg", digest="0" * 64))
    return application


def reading(project: Application) -> list[str]:
    return project.jobs.ledger.waiting(1, JobKind.EMBED)


def test_neither_a_refresh_nor_a_sync_asks_again(project: Application) -> None:
    ask_for_unseen(project.runtime, 1, seen=0)
    (job,) = reading(project)
    cancel(project.jobs.ledger, 1, job)
    ask_for_unseen(project.runtime, 1, seen=0)
    sync_project(project.runtime, 1, lambda share, said: None)
    assert reading(project) == []
    project.jobs.retry(1, job)
    assert len(reading(project)) == 1


def test_a_photo_in_the_place_of_another_is_new(project: Application) -> None:
    with project.database.session() as session:
        session.add(Task(project_id=1, task_id=2, data={"i": "b.jpg"}, image="b.jpg"))
    cancel(project.jobs.ledger, 1, project.jobs.enqueue(JobKind.EMBED, 1))
    listed = {"id": 1, "label_config": CONFIG, "title": "", "model_version": "", "task_number": 2}
    poll = [
        Answer(200, listed),
        Answer(200, {"tasks": [], "total": 0}),
        Answer(200, {"tasks": [{"id": 2}], "total": 2}),
    ]
    with ScriptedServer(*poll, *poll) as server:
        access: dict[str, Any] = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        runtime = Runtime(project.settings.model_copy(update=access), project.database, project.jobs)
        sync_project(runtime, 1, lambda share, said: None)
        assert reading(project) == []
        with project.database.session() as session:
            config = runtime.labels.parse(CONFIG)
            assert record_tasks(session, project.database, 1, config, [{"id": 1, "data": {"i": "changed.jpg"}}]) == 1
        sync_project(runtime, 1, lambda share, said: None)
        assert len(reading(project)) == 1
