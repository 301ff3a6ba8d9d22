"""Polling: what a silent or a deleted project means, and what is caught up after a job died."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.errors import LabelStudioError
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.polling import lost_its_window, poll_projects, sync_project
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.project import find_project, set_up_project
from backend.service.queue.superseded import clean_periodically
from backend.service.versions.registry import serve
from backend.storage.schema import Annotation, Project, QueueItem, now
from tests.application import AppFactory
from tests.unit.service.connected import TASKS, settled
from tests.unit.service.samples import CONFIG
from tests.unit.sync.scripted_server import Answer, ScriptedServer

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

TOKEN = "0" * 40


def runtime_for(app_factory: AppFactory, url: str, **project: Any) -> tuple[Runtime, JobQueue]:
    app = app_factory(label_studio_url=url, label_studio_api_key=TOKEN if url else "")
    with app.database.session() as session:
        session.add(Project(id=7, label_config=CONFIG, title="Sports", **project))
    return app.runtime, app.jobs


def silent(_fraction: float, _message: str) -> None:
    """No progress is shown."""


def test_a_poll_of_a_silent_label_studio_leaves_no_failed_job_while_a_person_gets_the_error(
    app_factory: AppFactory,
) -> None:
    runtime, _ = runtime_for(app_factory, "http://127.0.0.1:1")
    assert sync_project(runtime, 7, silent, poll=True)["transient"] is True
    with pytest.raises(LabelStudioError, match=r"127\.0\.0\.1:1"):
        sync_project(runtime, 7, silent)


def test_a_project_that_label_studio_deleted_is_polled_no_more_until_it_calls_again(app_factory: AppFactory) -> None:
    with ScriptedServer(Answer(404, {"detail": "Not found."})) as server:
        runtime, jobs = runtime_for(app_factory, server.url)
        assert "left alone" in sync_project(runtime, 7, silent, poll=True)["message"]
    assert find_project(runtime, 7).missing_since is not None
    poll_projects(runtime)
    assert jobs.ledger.waiting(7) == []
    set_up_project(runtime, 7, label_config=CONFIG)
    poll_projects(runtime)
    assert [jobs.ledger.get(job).kind for job in jobs.ledger.waiting(7)] == ["sync"]


def test_an_annotation_that_no_order_has_seen_asks_for_a_refresh(app_factory: AppFactory) -> None:
    runtime, jobs = runtime_for(app_factory, "", ordered_at=now())
    sync_project(runtime, 7, silent)
    assert [jobs.ledger.get(job).kind for job in jobs.ledger.waiting(7)] == ["embed"]
    with runtime.database.session() as session:
        session.add(Annotation(project_id=7, annotation_id=1, task_id=1))
    sync_project(runtime, 7, silent)
    assert sorted(jobs.ledger.get(job).kind for job in jobs.ledger.waiting(7)) == ["embed", "refresh"]


def test_a_clock_that_was_set_back_hides_no_annotation_and_stops_no_cleaning(app_factory: AppFactory) -> None:
    ahead = now() + timedelta(days=30)
    runtime, jobs = runtime_for(app_factory, "", ordered_at=ahead, superseded_checked_at=ahead)
    with runtime.database.session() as session:
        session.add(Annotation(project_id=7, annotation_id=1, task_id=1))
    sync_project(runtime, 7, silent)
    assert "refresh" in [jobs.ledger.get(job).kind for job in jobs.ledger.waiting(7)]
    clean_periodically(runtime, 7)
    checked = find_project(runtime, 7).superseded_checked_at
    assert checked is not None
    assert checked < ahead


def test_a_window_counts_as_lost_only_while_no_refresh_is_about_to_publish(app_factory: AppFactory) -> None:
    with ScriptedServer(Answer(200, {"id": 7, "model_version": "head-1.1"})) as server:
        runtime, jobs = runtime_for(app_factory, server.url)
        assert runtime.label_studio is not None
        outcomes = []
        place = {
            "position": 0,
            "task_id": 1,
            "score": 0.1,
            "priority": 0.5,
            "components": {},
            "reason": "",
            "result": [],
        }
        with runtime.database.session() as session:
            session.get_one(Project, 7).snapshot = "head-1.2"
            session.add(QueueItem(project_id=7, version="head-1.2", **place))
        for published in ("", "head-1.1", "head-1.2"):
            with runtime.database.session() as session:
                session.get_one(Project, 7).published_version = published
            outcomes.append(lost_its_window(runtime.label_studio, runtime, 7))
        assert outcomes == [False, False, True]
        jobs.enqueue("refresh", 7)
        assert not lost_its_window(runtime.label_studio, runtime, 7)


def test_once_every_photo_is_answered_another_model_has_nothing_to_publish(tmp_path: Path) -> None:
    with settled(tmp_path) as connected:
        project = connected.project
        for task in TASKS:
            connected.annotate(task)
        connected.poll()
        connected.run("train")
        serve(project.runtime, 1, "head-1", pinned=True)
        connected.run("refresh")
        connected.poll()
        windows = project.row.window_serial
        for _ in range(3):
            connected.poll()
        assert project.row.window_serial == windows
        # An answer is taken back: there is something to serve again.
        gone = [{"id": number} for number in connected.label_studio.delete_annotation(3)]
        handle_event(project.runtime, "ANNOTATIONS_DELETED", {"project": {"id": 1}, "annotations": gone})
        connected.poll()
        assert connected.label_studio.project["model_version"] == "head-1"
        assert connected.label_studio.queue() == [3]
