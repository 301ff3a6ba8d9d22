"""Jobs that a person cancels: the waiting end at once, the running at their next report, and none comes back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.errors import BackendError, NotFoundError
from backend.jobs.cancellation import cancel, cancelled_at, retry
from backend.jobs.kinds import JobStatus
from backend.jobs.ledger import JobLedger
from backend.jobs.worker_name import WorkerName
from backend.progress import Progress
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Job, now
from backend.worker.runner import Runner

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

ME = WorkerName("here", 1, "aaaa")


@pytest.fixture
def ledger(tmp_path: Path, database_url: str) -> Iterator[JobLedger]:
    settings = Settings(state_dir=tmp_path / "state", database_url=database_url, _env_file=None)
    database = Database(settings.resolved_database_url)
    database.migrate()
    yield JobLedger(database)
    database.close()


def test_a_job_that_waits_never_begins(ledger: JobLedger) -> None:
    ran: list[str] = []
    job_id, _ = ledger.request("train", 1)
    assert cancel(ledger, 1, job_id).status == JobStatus.CANCELLED
    Runner(ledger, {"train": lambda job, progress: ran.append(job.id)}, wake=lambda: None).run(job_id)
    assert not ran
    assert ledger.waiting() == []
    another, new = ledger.request("train", 1)
    assert new
    assert another != job_id


def test_a_job_that_runs_stops_at_its_next_report(ledger: JobLedger) -> None:
    kept: list[int] = []

    def embed(job: Job, progress: Progress) -> None:
        for chunk in range(10):
            kept.append(chunk)
            if chunk == 3:
                assert cancel(ledger, 1, job.id).status == JobStatus.RUNNING
            progress(chunk / 10, f"{chunk + 1} of 10 chunks")

    job_id, _ = ledger.request("embed", 1)
    Runner(ledger, {"embed": embed}, wake=lambda: None).run(job_id)
    job = ledger.get(job_id)
    assert kept == [0, 1, 2, 3]
    assert (job.status, job.message) == ("cancelled", "cancelled after: 4 of 10 chunks")
    assert job.progress == pytest.approx(0.3)
    assert job.finished_at is not None
    assert cancelled_at(ledger, "embed", 1) == job.finished_at


def test_a_job_that_ended_stays_as_it_is(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("train", 1)
    ledger.claim(job_id, ME)
    ledger.finish(job_id, ME, result={"message": "trained"}, error=None)
    assert cancel(ledger, 1, job_id).status == JobStatus.DONE
    assert cancelled_at(ledger, "train", 1) is None


def test_a_cancelled_job_whose_worker_died_does_not_come_back(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("train", 1)
    ledger.claim(job_id, WorkerName("here", 1, "old"))
    cancel(ledger, 1, job_id)
    assert ledger.recover(ME) == []
    assert ledger.get(job_id).status == JobStatus.CANCELLED


def test_only_the_project_s_own_jobs_are_cancelled(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("train", 1)
    with pytest.raises(NotFoundError):
        cancel(ledger, 2, job_id)
    with pytest.raises(NotFoundError):
        cancel(ledger, 1, "nothing")
    assert ledger.get(job_id).status == JobStatus.QUEUED


def test_a_cancelled_job_starts_again_with_what_it_was_asked(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("embed", 1, {"unseen": True})
    with pytest.raises(BackendError, match="only a cancelled or failed one"):
        retry(ledger, 1, job_id)
    cancel(ledger, 1, job_id)
    fresh, new = retry(ledger, 1, job_id)
    assert new
    assert ledger.get(fresh).payload == {"unseen": True}
    with ledger.database.session() as session:
        session.execute(update(Job).where(Job.id == fresh).values(status=JobStatus.DONE, finished_at=now()))
    assert cancelled_at(ledger, "embed", 1) is None  # the last one that ended was not cancelled


@pytest.mark.parametrize(("kind", "status"), [("embed", "cancelled"), ("sync", "queued")])
def test_a_long_job_asked_for_meanwhile_goes_with_the_cancelled_one(ledger: JobLedger, kind: str, status: str) -> None:
    twins: list[str] = []

    def work(job: Job, progress: Progress) -> None:
        twins.append(ledger.request(kind, 1)[0])  # as a poll does while photos are unread
        cancel(ledger, 1, job.id)
        progress(0.5, "half")

    other, _ = ledger.request(kind, 2)
    job_id, _ = ledger.request(kind, 1)
    Runner(ledger, {kind: work}, wake=lambda: None).run(job_id)
    assert ledger.get(job_id).status == JobStatus.CANCELLED
    assert ledger.get(twins[0]).status == status
    assert ledger.get(other).status == JobStatus.QUEUED


def test_the_twin_of_a_cancelled_job_whose_worker_died_goes_too(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("map", 1)
    ledger.claim(job_id, WorkerName("here", 1, "old"))
    twin, _ = ledger.request("map", 1)
    cancel(ledger, 1, job_id)
    assert ledger.recover(ME) == []
    assert ledger.get(twin).status == JobStatus.CANCELLED


def test_starting_an_old_job_again_does_not_overrule_a_newer_request(ledger: JobLedger) -> None:
    old, _ = ledger.request("reembed", 1, {"backbone": "a", "promote": True})
    cancel(ledger, 1, old)
    newer, _ = ledger.request("reembed", 1, {"backbone": "b"})
    assert retry(ledger, 1, old) == (newer, False)
    assert ledger.get(newer).payload == {"backbone": "b", "promote": True}


def test_a_failure_counts_where_it_is_asked_for(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("map", 1)
    ledger.claim(job_id, ME)
    ledger.finish(job_id, ME, result=None, error="too little memory")
    assert cancelled_at(ledger, "map", 1) is None
    assert cancelled_at(ledger, "map", 1, or_failed=True) == ledger.get(job_id).finished_at


def test_a_cancelled_job_is_remembered_until_another_of_its_kind_has_ended(ledger: JobLedger) -> None:
    job_id, _ = ledger.request("embed", 1)
    cancel(ledger, 1, job_id)
    ledger.purge(timedelta(0))
    assert cancelled_at(ledger, "embed", 1) == ledger.get(job_id).finished_at
    other, _ = ledger.request("embed", 2)  # nobody else's job says anything of it
    Runner(ledger, {"embed": lambda job, progress: None}, wake=lambda: None).run(other)
    ledger.purge(timedelta(0))
    assert cancelled_at(ledger, "embed", 1) is not None
    assert ledger.of_project(2) == []
    later, _ = ledger.request("embed", 1)
    Runner(ledger, {"embed": lambda job, progress: None}, wake=lambda: None).run(later)
    ledger.purge(timedelta(0))
    assert ledger.of_project(1) == []
    assert cancelled_at(ledger, "embed", 1) is None
