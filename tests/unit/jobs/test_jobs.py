"""Jobs: asked for once, run once, never lost with their worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.errors import BackendError, NotFoundError
from backend.jobs.ledger import MAX_ATTEMPTS, JobLedger, WorkerName
from backend.jobs.queue import JobQueue
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Job, now
from backend.worker.runner import Runner

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(state_dir=tmp_path / "state", database_url=database_url, _env_file=None)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[JobLedger]:
    database = Database(settings.resolved_database_url)
    database.migrate()
    yield JobLedger(database)
    database.close()


ME = WorkerName("here", 1, "aaaa")


def test_a_request_is_queued_and_a_second_one_is_the_same_job(ledger: JobLedger) -> None:
    first, new = ledger.request("refresh", 1)
    second, new_again = ledger.request("refresh", 1, {"republish": True})
    assert (new, new_again) == (True, False)
    assert first == second
    assert ledger.get(first).payload == {"republish": True}


def test_other_projects_and_other_kinds_are_other_jobs(ledger: JobLedger) -> None:
    ids = {ledger.request(kind, project)[0] for kind in ("refresh", "train") for project in (1, 2)}
    assert len(ids) == 4


def test_only_one_worker_gets_a_job(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("train", 1)
    assert ledger.claim(job_id, ME) is not None
    assert ledger.claim(job_id, WorkerName("there", 2, "bbbb")) is None


def test_a_second_job_of_a_kind_waits_for_the_first(ledger: JobLedger) -> None:
    first, _ = ledger.request("train", 1)
    ledger.claim(first, ME)
    second, new = ledger.request("train", 1)
    assert new
    assert ledger.claim(second, ME) is None
    assert ledger.get(second).status == "queued"
    ledger.finish(first, ME, result={"message": "trained"}, error=None)
    assert ledger.claim(second, ME) is not None


def test_a_job_of_a_worker_that_signs_no_more_is_queued_again(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("refresh", 1)
    ledger.claim(job_id, WorkerName("elsewhere", 9, "cccc"))
    assert ledger.recover(ME) == []
    with ledger.database.session() as session:
        session.execute(update(Job).values(heartbeat_at=now() - timedelta(minutes=10)))
    assert ledger.recover(ME) == [job_id]
    assert ledger.get(job_id).status == "queued"


def test_a_job_of_a_killed_process_of_this_host_is_queued_again_at_once(ledger: JobLedger) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    me = WorkerName.of_this_process()
    job_id, _ = ledger.request("refresh", 1)
    ledger.claim(job_id, WorkerName(me.host, process.pid, "dddd"))
    assert ledger.recover(me) == [job_id]


def test_a_job_that_keeps_killing_its_worker_is_given_up(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("refresh", 1)
    for attempt in range(MAX_ATTEMPTS):
        assert ledger.claim(job_id, WorkerName("here", 1, f"old{attempt}")) is not None
        ledger.recover(ME)
    assert ledger.get(job_id).status == "failed"
    assert "given up" in ledger.get(job_id).message


def test_a_worker_that_was_taken_for_dead_cannot_end_the_job_of_another(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("refresh", 1)
    slow = WorkerName("here", 1, "slow")
    ledger.claim(job_id, slow)
    ledger.recover(ME)
    ledger.claim(job_id, ME)
    ledger.finish(job_id, slow, result=None, error="too late")
    assert ledger.get(job_id).status == "running"


def test_an_unknown_job_is_named_in_the_error(ledger: JobLedger) -> None:
    with pytest.raises(NotFoundError, match="no-such-job"):
        ledger.get("no-such-job")


def test_the_runner_writes_down_success_failure_and_accident(ledger: JobLedger) -> None:
    def fine(job: Job, progress: object) -> dict[str, object]:
        return {"message": "all good", "count": 3}

    def refused(job: Job, progress: object) -> None:
        raise BackendError("nothing to train on")

    def accident(job: Job, progress: object) -> None:
        raise ZeroDivisionError("division by zero")

    runner = Runner(ledger, {"fine": fine, "refused": refused, "accident": accident}, send=lambda job_id: None)
    outcomes = {}
    for kind in ("fine", "refused", "accident", "unheard-of"):
        job_id, _ = ledger.request(kind, 1)
        runner.run(job_id)
        job = ledger.get(job_id)
        outcomes[kind] = (job.status, job.message)
    assert outcomes["fine"] == ("done", "all good")
    assert outcomes["refused"] == ("failed", "nothing to train on")
    assert outcomes["accident"] == ("failed", "ZeroDivisionError: division by zero")
    assert outcomes["unheard-of"][0] == "failed"


def test_a_finished_job_wakes_the_one_that_waited_for_it(ledger: JobLedger) -> None:
    sent: list[str] = []
    waiting: list[str] = []

    def first(job: Job, progress: object) -> None:
        waiting.append(ledger.request("refresh", 1)[0])

    job_id, _ = ledger.request("refresh", 1)
    Runner(ledger, {"refresh": first}, sent.append).run(job_id)
    assert sent == waiting


def test_messages_pass_through_the_queue_as_json(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings, ledger.database)
    ran: list[str] = []
    queue.run_job = ran.append
    job_id = queue.enqueue("refresh", 5)
    raw = queue.huey.storage.enqueued_items()
    assert len(raw) == 1
    assert raw[0].startswith(b"{")
    message = queue.huey.dequeue()
    queue.huey.execute(message)
    assert ran == [job_id]


def test_redis_carries_the_same_messages(settings: Settings, ledger: JobLedger, redis_url: str) -> None:
    queue = JobQueue(settings.model_copy(update={"queue_url": redis_url}), ledger.database)
    ran: list[str] = []
    queue.run_job = ran.append
    job_id = queue.enqueue("refresh", 5)
    assert queue.huey.storage.enqueued_items()[0].startswith(b"{")
    queue.huey.execute(queue.huey.dequeue())
    assert ran == [job_id]


def test_a_job_waits_in_the_ledger_while_redis_is_out_of_reach(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"}), ledger.database)
    job_id = queue.enqueue("refresh", 5)
    assert ledger.waiting() == [job_id]


def test_a_poll_that_found_nothing_leaves_no_row(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("sync", 1, {"poll": True})
    Runner(ledger, {"sync": lambda job, progress: {"forgettable": True}}, lambda job_id: None).run(job_id)
    assert ledger.of_project(1) == []
