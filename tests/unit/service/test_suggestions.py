"""What became of suggestions: compared with the answer, counted by day and version."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from backend.service.context.context import Runtime
from backend.service.ingest.suggestions import look_up_suggestions
from backend.service.projects.annotations import annotation_values, record_annotations
from backend.service.projects.suggestions import (
    SuggestionCount,
    SuggestionOutcome,
    compare_with_suggestion,
    count_suggestions,
    total_suggestions,
)
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, Project
from tests.unit.sync.scripted_server import Answer, ScriptedServer

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

ACCEPTED, CORRECTED = SuggestionOutcome.ACCEPTED, SuggestionOutcome.CORRECTED


def chosen(*labels: str, control: str = "sport", **more: Any) -> list[dict[str, Any]]:
    return [{"from_name": control, "type": "choices", "value": {"choices": list(labels)}, **more}]


def path(*labels: str) -> list[dict[str, Any]]:
    return [{"from_name": "sport", "type": "taxonomy", "value": {"taxonomy": [list(labels)]}}]


@pytest.mark.parametrize(
    ("suggested", "answered", "outcome"),
    [
        (chosen("golf", score=0.3), chosen("golf", id="x"), ACCEPTED),
        (chosen("golf"), chosen("boxing"), CORRECTED),
        (chosen("golf"), [], CORRECTED),
        (chosen("golf", "boxing"), chosen("boxing", "golf"), ACCEPTED),
        (chosen("golf", "boxing"), chosen("golf"), CORRECTED),
        (chosen("golf"), chosen("golf") + chosen("indoor", control="place"), ACCEPTED),
        (chosen("golf") + chosen("indoor", control="place"), chosen("golf"), CORRECTED),
        (path("ball", "golf"), path("ball", "golf"), ACCEPTED),
        (path("ball", "golf"), path("club", "golf"), CORRECTED),
    ],
)
def test_an_answer_accepts_a_suggestion_where_the_labels_are_the_same(
    suggested: list[dict[str, Any]], answered: list[dict[str, Any]], outcome: SuggestionOutcome
) -> None:
    assert compare_with_suggestion(suggested, answered) is outcome


def annotation(number: int, label: str, *, day: int = 1, second: int = 0, **more: Any) -> dict[str, Any]:
    stamps = {"created_at": f"2026-01-0{day}T23:59:00Z", "updated_at": f"2026-01-0{day}T23:59:{second:02}Z"}
    return {"id": number, "result": chosen(label), "parent_prediction": 100 + number, **stamps, **more}


def snapshot(number: int, label: str, version: str = "propagation") -> dict[str, Any]:
    return {"prediction": {"id": 100 + number, "result": chosen(label), "model_version": version, "score": 0.1}}


def store(database: Database, *annotations: dict[str, Any]) -> None:
    with database.session() as session:
        if session.get(Project, 7) is None:
            session.add(Project(id=7))
            session.flush()
        for item in annotations:
            record_annotations(session, database, 7, [annotation_values(item["id"], item)])


def counted(database: Database, since: datetime | None = None) -> list[SuggestionCount]:
    with database.session() as session:
        return count_suggestions(session, 7, since)


def test_what_a_webhook_brings_along_is_counted_by_day_and_version(database: Database) -> None:
    store(
        database,
        annotation(1, "golf", **snapshot(1, "golf")),
        annotation(2, "golf", **snapshot(2, "boxing")),
        annotation(3, "golf", **snapshot(3, "golf", "head-1")),
        annotation(4, "golf", day=2, **snapshot(4, "golf", "propagation.17")),
        annotation(5, "golf", was_cancelled=True, **snapshot(5, "golf")),
        annotation(6, "golf", parent_prediction=None),
        annotation(7, "golf", **snapshot(8, "golf")),  # the current prediction is another than it started from
    )
    assert counted(database) == [
        SuggestionCount(date(2026, 1, 2), "propagation", 1, 0),
        SuggestionCount(date(2026, 1, 1), "propagation", 1, 1),
        SuggestionCount(date(2026, 1, 1), "head-1", 1, 0),
    ]
    assert [row.share for row in counted(database, datetime(2026, 1, 2, tzinfo=UTC))] == [1.0]
    with database.session() as session:
        assert sorted(total_suggestions(session)) == [
            (7, "head-1", "accepted", 1),
            (7, "propagation", "accepted", 2),
            (7, "propagation", "corrected", 1),
        ]


def test_an_annotation_that_is_corrected_later_counts_once(database: Database) -> None:
    store(database, annotation(1, "golf", **snapshot(1, "golf")))
    store(database, annotation(1, "boxing", second=9, **snapshot(1, "golf")))
    assert counted(database) == [SuggestionCount(date(2026, 1, 1), "propagation", 0, 1)]


def test_what_a_poll_brings_is_looked_up_once(settings: Settings, database: Database, runtime: Runtime) -> None:
    store(database, annotation(1, "golf"), annotation(2, "golf"), annotation(3, "golf"))
    left = {"id": 101, "result": chosen("golf"), "model_version": "head-2 superseded 2026-01-01 15 UTC"}
    answers = (
        Answer(200, left),
        Answer(200, {"id": 102, "result": chosen("boxing"), "model_version": "head-2"}),
        Answer(404, {"detail": "Not found."}),
    )
    with ScriptedServer(*answers) as server:
        access = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        pushing = Runtime(settings.model_copy(update=access), database, runtime.jobs)
        assert look_up_suggestions(pushing, 7) == 3
        assert look_up_suggestions(pushing, 7) == 0
    assert counted(database) == [SuggestionCount(date(2026, 1, 1), "head-2", 1, 1)]
    with database.session() as session:
        assert session.get_one(Annotation, (7, 3)).suggestion == "unknown"
