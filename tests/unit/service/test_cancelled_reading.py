"""Where a person cancelled the reading of photos, nothing but new photos or a person begins it again."""

from __future__ import annotations

import pytest

from backend.jobs.cancellation import cancel
from backend.jobs.kinds import JobKind
from backend.service.ingest.embedding import ask_for_unseen
from backend.service.ingest.polling import sync_project
from backend.service.projects.project import set_up_project
from backend.storage.schema import Task
from tests.application import Application

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
