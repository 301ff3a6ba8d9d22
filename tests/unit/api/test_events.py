"""Server-sent events of jobs: what runs is told, a quiet project ends the stream, too many listeners are sent away."""

from __future__ import annotations

import json

import pytest

from backend.api.body import BusyError
from backend.api.events import Streams
from backend.jobs.worker_name import WorkerName
from tests.unit.api.conftest import App
from tests.unit.service.samples import CONFIG

pytestmark = pytest.mark.unit


def jobs_told(text: str) -> list[list[dict[str, object]]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def test_a_stream_tells_what_waits_and_ends_while_nothing_runs(app: App) -> None:
    app.client.post("/setup", json={"project": "7.1", "schema": CONFIG})
    answer = app.client.get("/projects/7/events")
    assert answer.content_type.startswith("text/event-stream")
    (told,) = jobs_told(answer.text)
    assert [(job["kind"], job["status"]) for job in told] == [("sync", "queued")]


def test_a_running_job_moves_while_the_stream_is_open(app: App) -> None:
    app.client.post("/setup", json={"project": "7.1", "schema": CONFIG})
    job, name = app.jobs.ledger.waiting(7)[0], WorkerName.of_this_process()
    app.jobs.ledger.claim(job, name)
    parts = app.client.get("/projects/7/events", buffered=False).iter_encoded()
    assert next(parts).startswith(b"retry:")
    assert jobs_told(next(parts).decode())[0][0]["percent"] == 0
    app.jobs.ledger.progress(job, 0.5, "half")
    assert jobs_told(next(parts).decode())[0][0]["message"] == "half"
    app.jobs.ledger.finish(job, name, result={}, error=None)
    assert jobs_told(b"".join(parts).decode()) == [[]]


def test_too_many_listeners_are_sent_away() -> None:
    streams = Streams(1)
    streams.take()
    with pytest.raises(BusyError):
        streams.take()
    streams.give_back()
    streams.take()


def test_an_unknown_project_has_no_stream(app: App) -> None:
    assert app.client.get("/projects/9/events").status_code == 404
