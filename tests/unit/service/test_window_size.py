"""The window grows with the team, so that nobody is told that there is no task left while others hold all of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import find_project, set_up_project
from backend.service.queue.queue_window import current_window
from backend.service.queue.window_size import window_size
from backend.storage.schema import Annotation, now
from tests.application import AppFactory
from tests.unit.service.embedded_project import Embedded
from tests.unit.service.samples import CONFIG, annotated, annotation

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

PROJECT = 7


def answer(runtime: Runtime, people: int, each: int, *, days_ago: float = 0.0) -> None:
    set_up_project(runtime, PROJECT, label_config=CONFIG, title="Sports")
    stamp = (now() - timedelta(days=days_ago)).isoformat()
    for number in range(people * each):
        given = annotation(number + 1, task=number + 1, completed_by=number % people)
        event = annotated("ANNOTATION_CREATED", given | {"updated_at": stamp})
        handle_event(runtime, event["action"], event)


def test_it_has_four_places_for_each_person_or_what_is_wanted(runtime: Runtime) -> None:
    assert window_size(runtime, PROJECT, 50) == 50  # nobody answered yet
    answer(runtime, people=13, each=2)
    assert window_size(runtime, PROJECT, 50) == 52
    assert window_size(runtime, PROJECT, 60) == 60
    assert window_size(runtime, PROJECT + 1, 50) == 50  # people of another project


def test_who_has_not_come_for_long_is_not_counted(runtime: Runtime) -> None:
    answer(runtime, people=3, each=1)
    with runtime.database.session() as session:
        session.execute(
            update(Annotation)
            .where(Annotation.annotation_id == 1)
            .values(received_at=now() - timedelta(days=7, minutes=1))
        )
    assert window_size(runtime, PROJECT, 1) == 8


def test_the_queue_of_a_team_is_ordered_as_far_as_its_window_reaches(app_factory: AppFactory) -> None:
    application = app_factory(window_size=3, evaluation_share=0.0)
    project = Embedded(application.runtime, application.database, application.jobs)
    for person in range(5):
        project.annotate(range(person, person + 1), completed_by=person, updated_at=now())
    project.refresh()
    window = current_window(application.runtime, find_project(application.runtime, PROJECT))
    assert len(window) == 20
    assert all(item.reason for item in window)


def test_who_answered_long_ago_is_not_counted_where_the_answers_are_only_read_now(runtime: Runtime) -> None:
    answer(runtime, people=3, each=1, days_ago=30)  # a project that is connected late brings all of them at once
    assert window_size(runtime, PROJECT, 1) == 1
