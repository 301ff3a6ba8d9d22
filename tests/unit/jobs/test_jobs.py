"""Jobs: asked for once, run once, never lost with their worker."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.errors import BackendError, NotFoundError
from backend.jobs.kinds import JobKind, JobStatus, Lane
from backend.jobs.ledger import MAX_ATTEMPTS, JobLedger, _take_back
from backend.jobs.queue import JobQueue
from backend.jobs.worker_name import WorkerName
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Job, now
from backend.worker.consumer import Worker
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

    runner = Runner(ledger, {"fine": fine, "refused": refused, "accident": accident}, wake=lambda: None)
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


def test_a_request_made_while_its_job_is_claimed_is_never_lost(ledger: JobLedger) -> None:
    seen: set[str] = set()
    asked = [str(number) for number in range(150)]
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            for job_id in ledger.waiting():
                job = ledger.claim(job_id, ME)
                if job is not None:
                    seen.update(job.payload)
                    ledger.finish(job_id, ME, result={}, error=None)

    worker = threading.Thread(target=work)
    worker.start()
    for key in asked:
        ledger.request("refresh", 1, {key: True})
    done.set()
    worker.join()
    still_waiting = {key for job_id in ledger.waiting() for key in ledger.get(job_id).payload}
    assert seen | still_waiting == set(asked)


def test_a_job_whose_worker_died_leaves_what_it_was_asked_to_the_one_that_waits(ledger: JobLedger) -> None:
    dead, _ = ledger.request("refresh", 1, {"republish": True, "seed": 1})
    ledger.claim(dead, WorkerName("here", 1, "old"))
    waiting, _ = ledger.request("refresh", 1, {"seed": 2})
    assert ledger.recover(ME) == []
    assert ledger.get(dead).status == JobStatus.FAILED
    assert ledger.get(waiting).payload == {"republish": True, "seed": 2}


def test_a_job_that_ended_while_it_was_thought_dead_stays_ended(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("refresh", 1)
    slow = WorkerName("here", 1, "slow")
    ledger.claim(job_id, slow)
    stale = ledger.get(job_id)
    ledger.finish(job_id, slow, result={"message": "in time"}, error=None)
    with ledger.database.session() as session:
        assert not _take_back(session, stale)
    assert ledger.get(job_id).message == "in time"


def test_pending_is_what_waits_or_runs(ledger: JobLedger) -> None:
    assert not ledger.pending(JobKind.TRAIN, 1)
    job_id, _ = ledger.request(JobKind.TRAIN, 1)
    assert ledger.pending(JobKind.TRAIN, 1)
    assert not ledger.pending(JobKind.TRAIN, 2)
    assert not ledger.pending(JobKind.REFRESH, 1)
    ledger.claim(job_id, ME)
    assert ledger.pending(JobKind.TRAIN, 1)
    ledger.finish(job_id, ME, result={}, error=None)
    assert not ledger.pending(JobKind.TRAIN, 1)


def test_only_jobs_that_ended_long_ago_are_purged(ledger: JobLedger) -> None:
    old, fresh = ledger.request("train", 1)[0], ledger.request("train", 2)[0]
    for job_id in (old, fresh):
        ledger.claim(job_id, ME)
        ledger.finish(job_id, ME, result={}, error=None)
    waiting, _ = ledger.request("train", 3)
    with ledger.database.session() as session:
        session.execute(update(Job).where(Job.id == old).values(finished_at=now() - timedelta(days=15)))
    ledger.purge(timedelta(days=14))
    assert [ledger.of_project(number) != [] for number in (1, 2, 3)] == [False, True, True]
    assert ledger.waiting() == [waiting]


def messages(queue: JobQueue, lane: Lane) -> list[bytes]:
    return list(queue.lanes[lane].storage.enqueued_items())


def run_pending(queue: JobQueue, lane: Lane) -> None:
    while (message := queue.lanes[lane].dequeue()) is not None:
        queue.lanes[lane].execute(message)


def test_a_finished_job_wakes_the_one_that_waited_for_it(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings, ledger.database)
    ran: list[str] = []

    def handler(job: Job, progress: object) -> None:
        ran.append(job.id)
        if len(ran) == 1:  # asked for, and taken up too early, while this one runs
            queue.enqueue(JobKind.REFRESH, 1)
            run_pending(queue, Lane.QUICK)

    worker = Worker(queue, Lane.QUICK, {JobKind.REFRESH: handler}, threads=1)
    first = queue.enqueue(JobKind.REFRESH, 1)
    worker.runner.run(first)
    assert ran == [first]
    run_pending(queue, Lane.QUICK)
    assert len(ran) == 2


def test_sweeps_do_not_flood_the_queue_with_messages(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings, ledger.database)
    worker = Worker(queue, Lane.LONG, {}, threads=1)
    held_up = queue.enqueue(JobKind.TRAIN, 1)
    assert ledger.claim(held_up, worker.runner.name) is not None
    queue.lanes[Lane.LONG].flush()
    ledger.request(JobKind.TRAIN, 1)  # waits for the one that runs
    ledger.request(JobKind.EMBED, 2)  # waits for a free thread
    for _ in range(10):
        worker.sweep()
    assert len(messages(queue, Lane.LONG)) == 1


def test_a_job_is_sent_to_the_lane_of_its_kind(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings, ledger.database)
    sent = {kind: queue.enqueue(kind, 1) for kind in (*JobKind, "of_an_extension")}
    found = {lane: {task.args[0] for task in queue.lanes[lane].pending()} for lane in Lane}
    assert found[Lane.QUICK] == {sent[JobKind.SYNC], sent[JobKind.REFRESH], sent[JobKind.PREVIEW]}
    assert found[Lane.LONG] == set(sent.values()) - found[Lane.QUICK]


def test_messages_pass_through_the_queue_as_json(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings, ledger.database)
    ran: list[str] = []
    queue.run_job = ran.append
    job_id = queue.enqueue("refresh", 5)
    (raw,) = messages(queue, Lane.QUICK)
    assert raw.startswith(b"{")
    run_pending(queue, Lane.QUICK)
    assert ran == [job_id]


def test_redis_carries_the_same_messages(settings: Settings, ledger: JobLedger, redis_url: str) -> None:
    queue = JobQueue(settings.model_copy(update={"queue_url": redis_url}), ledger.database)
    worker = Worker(queue, Lane.QUICK, {}, threads=1)
    ran: list[str] = []
    queue.run_job = ran.append
    job_id = queue.enqueue("refresh", 5)
    for _ in range(3):
        worker.sweep()
    (raw,) = messages(queue, Lane.QUICK)
    assert raw.startswith(b"{")
    run_pending(queue, Lane.QUICK)
    assert ran == [job_id]


def test_a_job_waits_in_the_ledger_while_redis_is_out_of_reach(settings: Settings, ledger: JobLedger) -> None:
    queue = JobQueue(settings.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"}), ledger.database)
    job_id = queue.enqueue("refresh", 5)
    queue.wake(Lane.QUICK)
    assert ledger.waiting() == [job_id]


def test_a_poll_that_found_nothing_leaves_no_row(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("sync", 1, {"poll": True})
    Runner(ledger, {"sync": lambda job, progress: {"transient": True}}, lambda: None).run(job_id)
    assert ledger.of_project(1) == []
