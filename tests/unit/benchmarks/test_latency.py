"""The latency benchmark sends what Label Studio sends, and waits for what it says it waits for."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from backend.jobs.queue import JobQueue
from backend.labels import parse_label_config
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.service.projects.annotations import agreed_target, live_annotations
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Job
from benchmarks.latency import annotation_event, constant_webhook, label_config, label_names
from benchmarks.servers import constant_server, wait

pytestmark = pytest.mark.unit


def test_labels_are_distinct_and_the_config_holds_them() -> None:
    names = label_names(100)
    assert len(set(names)) == 100
    control = parse_label_config(label_config(names)).controls[0]
    assert [label.title for label in control.labels] == names


def test_the_event_says_what_was_annotated(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, _env_file=None)
    database = Database(settings.resolved_database_url)
    database.migrate()
    runtime = Runtime(settings, database, JobQueue(settings, database))
    names = label_names(6)
    event = annotation_event(1, 7, names[3], label_config(names))
    outcome = handle_event(runtime, event["action"], event)
    assert set(outcome.jobs) == {"refresh"}
    control = parse_label_config(label_config(names)).controls[0]
    with database.session() as session:
        target = agreed_target(live_annotations(session, 1)[7], control)
        assert session.scalars(select(Job.kind).where(Job.id == outcome.jobs["refresh"])).one() == "refresh"
    database.close()
    assert target is not None
    assert target.tolist() == [0, 0, 0, 1, 0, 0]


def test_a_constant_answer_is_timed_and_waiting_in_vain_ends() -> None:
    with constant_server() as url:
        assert 0 < constant_webhook(url, {}) < 30
    with pytest.raises(SystemExit, match="in vain"):
        wait(lambda: False, 0.1)
