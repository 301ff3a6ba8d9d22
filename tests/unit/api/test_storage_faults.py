"""A database that is locked, a disk that is full: the server lives, says what is wrong, and loses no event."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import select

from backend.reports import Reporter
from backend.service.ingest import webhooks
from backend.service.ingest.spool import SPOOL, EventSpool
from backend.storage.schema import Annotation
from tests.unit.api.conftest import App, MakeApp
from tests.unit.service.samples import CONFIG, PROJECT, annotated, annotation, task

pytestmark = pytest.mark.unit


@pytest.fixture
def app(make_app: MakeApp) -> App:
    made = make_app(patience=0.2)
    assert made.client.post("/setup", json={"project": "7.1", "schema": CONFIG}).status_code == 200
    _ = made.runtime.backbone, made.runtime.wordnet
    Reporter(made.runtime.reports_folder, "worker", "w").write()
    return made


@contextmanager
def locked(app: App) -> Iterator[None]:
    """Another process holds the lock to write, as long as the block lasts."""
    other = sqlite3.connect(app.database.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes another byte in the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stored(app: App) -> list[int]:
    with app.database.session() as session:
        return list(session.scalars(select(Annotation.annotation_id).order_by(Annotation.annotation_id)))


def test_ready_when_all_is_there(app: App) -> None:
    answer = app.client.get("/ready")
    assert answer.json["ready"], answer.json
    assert answer.status_code == 200
    assert set(answer.json["checks"]) == {"database", "disk", "weights", "wordnet", "queue", "worker", "events"}


def test_ready_names_what_is_missing(make_app: MakeApp) -> None:
    app = make_app()
    answer = app.client.get("/ready")
    assert answer.status_code == 503
    failing = {name for name, check in answer.json["checks"].items() if not check["ok"]}
    assert failing == {"weights", "wordnet", "worker"}
    assert "`serve`" in answer.json["checks"]["worker"]["message"]


def test_ready_asks_for_no_credentials_and_names_no_path(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(basic_auth_user="u", basic_auth_password="p")
    assert str(tmp_path) not in app.client.get("/ready").text


def test_events_survive_a_locked_database(app: App) -> None:
    event = annotated("ANNOTATION_CREATED", annotation(1))
    with locked(app):
        answer = app.client.post("/webhook", json=event)
        assert (answer.status_code, answer.json) == (202, {"status": "kept until the database takes it"})
        ready = app.client.get("/ready").json
        assert not ready["checks"]["database"]["ok"]
        assert "locked" in ready["checks"]["database"]["message"]
        assert ready["checks"]["events"] == {"ok": False, "message": "1 events wait in files for the database"}
        spool = EventSpool(app.settings.state_dir / SPOOL)
        assert spool.take_in(app.runtime) == 0  # it stays for the next time
    assert stored(app) == []
    assert spool.take_in(app.runtime) == 1
    assert stored(app) == [1]
    assert spool.waiting() == []
    assert app.client.get("/ready").status_code == 200


def test_predictions_of_known_tasks_go_on_while_the_database_is_locked(app: App) -> None:
    body = {"project": "7.1", "label_config": CONFIG, "tasks": [task(1)]}
    assert app.client.post("/predict", json=body).status_code == 200
    with locked(app):
        answer = app.client.post("/predict", json=body)
        assert (answer.status_code, answer.json) == (200, {"results": [[]]})
        fresh = app.client.post("/predict", json={**body, "tasks": [task(2)]})
        assert (fresh.status_code, fresh.json["error"]["code"]) == (503, "storage_unavailable")
        assert fresh.headers["Retry-After"]
    assert app.client.post("/predict", json={**body, "tasks": [task(2)]}).status_code == 200


def test_a_full_disk_kills_nobody(app: App) -> None:
    event = annotated("ANNOTATION_CREATED", annotation(1))
    with full_disk():
        answer = app.client.post("/webhook", json=event)
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "storage_unavailable")
        assert app.client.get("/health").status_code == 200
        assert app.client.get("/metrics").status_code == 200
        Reporter(app.runtime.reports_folder, "worker", "w").write()  # logs, and goes on
        assert app.client.get("/ready").status_code in (200, 503)
    assert app.client.post("/webhook", json=event).status_code == 201  # Label Studio's listing brings it, in earnest
    assert stored(app) == [1]


def test_a_kept_event_that_cannot_be_used_does_not_block_the_others(app: App) -> None:
    folder = app.settings.state_dir / SPOOL
    spool = EventSpool(folder)
    spool.put("ANNOTATION_CREATED", {**annotated("ANNOTATION_CREATED", annotation(1)), "annotation": 1})
    broken = (
        "{",
        "",
        "[]",
        "7",
        '{"action": "TASKS_CREATED"}',
        '{"action": "TASKS_CREATED", "payload": []}',
        "[" * 99_999,
    )
    for number, text in enumerate(broken):
        (folder / f"0000000000000000000{number}-x.json").write_text(text)
    (folder / "00000000000000000009-x.json").write_bytes(b"\xff\xfe")
    spool.put("ANNOTATION_CREATED", annotated("ANNOTATION_CREATED", annotation(2)))
    assert spool.take_in(app.runtime) == 1
    assert stored(app) == [2]
    assert len(list(folder.glob("*.refused"))) == len(broken) + 2
    assert spool.waiting() == []


def test_whatever_goes_wrong_with_one_kept_event_the_others_are_stored(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> NoReturn:
        raise AttributeError("as only a fault of ours does")

    monkeypatch.setitem(webhooks._HANDLERS, "TASKS_CREATED", break_down)
    spool = EventSpool(app.settings.state_dir / SPOOL)
    spool.put("TASKS_CREATED", {"project": PROJECT, "tasks": []})
    spool.put("ANNOTATION_CREATED", annotated("ANNOTATION_CREATED", annotation(2)))
    assert spool.take_in(app.runtime) == 1
    assert stored(app) == [2]
    assert spool.waiting() == []
