"""The window grows with the team, so that nobody is told that there is no task left while others hold all of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import set_up_project
from backend.service.queue.window_size import window_size
from backend.storage.schema import Annotation, now
from tests.unit.service.samples import CONFIG, annotated, annotation

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

PROJECT = 7


def answer(runtime: Runtime, people: int, each: int) -> None:
    set_up_project(runtime, PROJECT, label_config=CONFIG, title="Sports")
    for number in range(people * each):
        event = annotated("ANNOTATION_CREATED", annotation(number + 1, task=number + 1, completed_by=number % people))
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
