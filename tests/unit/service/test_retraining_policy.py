"""When a training is asked for by itself: after so many new annotations, once, and not while one is under way."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from backend.jobs.queue import JobQueue
from backend.jobs.worker_name import WorkerName
from backend.service.context.context import Runtime
from backend.service.projects.annotations import record_deletions
from backend.service.projects.project import set_up_project
from backend.storage.database import Database
from backend.storage.schema import Project
from tests.application import AppFactory, Application

from .embedded_project import Embedded
from .samples import CONFIG, choice

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

ME = WorkerName("here", 1, "aaaa")


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    return app_factory(backbone="efficientnet_lite2", retrain_every=5)


def test_a_training_is_asked_for_once_for_the_same_annotations(
    runtime: Runtime, database: Database, jobs: JobQueue
) -> None:
    project = Embedded(runtime, database, jobs)
    project.annotate(range(4))
    assert project.refresh() == []
    project.annotate(range(4, 5))
    (training,) = project.refresh()
    assert project.refresh() == [training]

    assert jobs.ledger.claim(training, ME) is not None
    project.annotate(range(5, 6))
    assert project.refresh() == [], "what runs has these annotations; the refresh after it looks again"

    with database.session() as session:
        session.execute(update(Project).where(Project.id == 7).values(trained_annotations=5))
    jobs.ledger.finish(training, ME, result={}, error=None)
    assert project.refresh() == []
    project.annotate(range(6, 10))
    (again,) = project.refresh()
    assert again != training


def test_where_nothing_can_be_learned_no_training_is_asked_for(
    runtime: Runtime, database: Database, jobs: JobQueue
) -> None:
    project = Embedded(runtime, database, jobs)
    project.annotate(range(6), was_cancelled=True)
    project.annotate(range(6, 12), result=choice("A label that the config lost"))
    assert project.refresh() == [], "it would fail, once for each annotation"
    project.annotate(range(12, 13))
    assert len(project.refresh()) == 1


def test_where_several_labels_may_hold_and_none_ever_did_no_training_is_asked_for(
    runtime: Runtime, database: Database, jobs: JobQueue
) -> None:
    project = Embedded(runtime, database, jobs)
    set_up_project(runtime, 7, label_config=CONFIG.replace("<Choices", '<Choices choice="multiple"'))
    none = choice("")
    none[0]["value"]["choices"] = []
    project.annotate(range(6), result=none)
    assert project.refresh() == [], "it would fail, once for each annotation"
    project.annotate(range(6, 7))
    assert len(project.refresh()) == 1


def test_answers_that_were_deleted_since_the_last_training_do_not_put_off_the_next(
    runtime: Runtime, database: Database, jobs: JobQueue
) -> None:
    project = Embedded(runtime, database, jobs)
    project.annotate(range(8))
    (training,) = project.refresh()
    assert jobs.ledger.claim(training, ME) is not None
    with database.session() as session:
        session.execute(update(Project).where(Project.id == 7).values(trained_annotations=8))
    jobs.ledger.finish(training, ME, result={}, error=None)
    with database.session() as session:
        record_deletions(session, database, 7, range(6))
    assert project.refresh() == []
    project.annotate(range(8, 12))
    assert project.refresh() == [], "four are new"
    project.annotate(range(12, 13))
    assert len(project.refresh()) == 1, "five are new, whatever was deleted"
