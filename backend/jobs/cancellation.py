"""Jobs that a person cancels, and starts again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, select, update

from backend.errors import BackendError, NotFoundError
from backend.jobs.kinds import JobStatus
from backend.jobs.ledger import JobLedger
from backend.storage.schema import Job, now


def cancel(ledger: JobLedger, project_id: int, job_id: str) -> Job:
    """Cancel a job that waits; ask one that runs to stop at its next report. One that has ended stays as it is.

    Raises:
        NotFoundError: the project has no such job.
    """
    mine = update(Job).where(Job.id == job_id, Job.project_id == project_id)
    waits, runs = (mine.where(Job.status == status) for status in (JobStatus.QUEUED, JobStatus.RUNNING))
    ended = {"status": JobStatus.CANCELLED, "finished_at": now(), "message": "cancelled before it began"}
    with ledger.database.session() as session:
        if cast("CursorResult[Any]", session.execute(waits.values(**ended))).rowcount != 1:
            session.execute(runs.values(cancel_requested=True))
    return _job_of(ledger, project_id, job_id)


def retry(ledger: JobLedger, project_id: int, job_id: str) -> tuple[str, bool]:
    """Ask once more for what a job was asked for that was cancelled or failed; as `request`.

    Raises:
        NotFoundError: the project has no such job.
        BackendError: `not_ended`, it waits or runs, or is done.
    """
    job = _job_of(ledger, project_id, job_id)
    if job.status not in (JobStatus.CANCELLED, JobStatus.FAILED):
        raise BackendError(
            f"Job {job_id} is {job.status}: only a cancelled or failed one starts again.", reason="not_ended"
        )
    return ledger.request(job.kind, project_id, job.payload, newest=False)


def _job_of(ledger: JobLedger, project_id: int, job_id: str) -> Job:
    job = ledger.get(job_id)
    if job.project_id != project_id:
        raise NotFoundError(f"Project {project_id} has no job {job_id!r}; GET /projects/{project_id}/jobs lists them.")
    return job


def cancelled_at(ledger: JobLedger, kind: str, project_id: int, *, or_failed: bool = False) -> datetime | None:
    """When the last job of this kind that ended for the project was cancelled; None: it was not, or there is none.

    Args:
        or_failed: one that failed counts too.
    """
    counts = (JobStatus.CANCELLED, JobStatus.FAILED) if or_failed else (JobStatus.CANCELLED,)
    query = select(Job.status, Job.finished_at).where(
        Job.project_id == project_id, Job.kind == kind, Job.finished_at.is_not(None)
    )
    with ledger.database.session() as session:
        last = session.execute(query.order_by(Job.finished_at.desc()).limit(1)).one_or_none()
    return last.finished_at if last is not None and last.status in counts else None
