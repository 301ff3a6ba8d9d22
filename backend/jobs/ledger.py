"""The ledger of jobs: the database rows that say what must run, what runs and what became of it.

A queue message may be lost or delivered twice; the ledger decides. A job is claimed by one atomic UPDATE, at most one
job of a kind runs for a project, and a job whose worker died goes back to the queue.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from backend.errors import NotFoundError
from backend.jobs.kinds import JobStatus, Lane, lane_of
from backend.jobs.worker_name import WorkerName
from backend.storage.database import Database
from backend.storage.schema import Job, now

HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # a worker that sent no heartbeat for so long is taken for dead
MAX_ATTEMPTS = 5  # a job that killed so many workers is given up, not tried for ever


class JobLedger:
    """Reads and writes the job rows; safe with several processes on one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def request(
        self, kind: str, project_id: int, payload: Mapping[str, Any] | None = None, *, newest: bool = True
    ) -> tuple[str, bool]:
        """Ask for a job. A job of this kind that waits already for the project takes the payload over.

        Args:
            newest: this is asked for now; else what the waiting job was asked for is newer, and wins.

        Returns: the job's id, and whether it is new.
        """
        new = {"id": uuid.uuid4().hex, "kind": str(kind), "project_id": project_id, "status": str(JobStatus.QUEUED)}
        statement = self.database.insert(Job).values(**new, payload=dict(payload or {}))
        statement = statement.on_conflict_do_nothing(
            index_elements=["kind", "project_id"], index_where=text("status = 'queued'")
        )
        while True:
            with self.database.session() as session:
                inserted = cast("CursorResult[Any]", session.execute(statement)).rowcount == 1
                # The lock keeps the job from being claimed before the payload is in it.
                job = session.scalars(_queued(kind, project_id).with_for_update()).one_or_none()
                if job is not None:
                    if payload and not inserted:
                        job.payload = {**job.payload, **payload} if newest else {**payload, **job.payload}
                    return job.id, inserted
            # It was claimed in this moment and may have read the old state: ask once more.

    def claim(self, job_id: str, worker: WorkerName) -> Job | None:
        """Take a queued job, if no other job of its kind runs for its project. None: not now, or already taken."""
        stamp = now()
        values = {
            "status": JobStatus.RUNNING,
            "worker": str(worker),
            "started_at": stamp,
            "heartbeat_at": stamp,
            "attempts": Job.attempts + 1,
            "progress": 0.0,
            "message": "started",
        }
        try:
            with self.database.session() as session:
                query = update(Job).where(Job.id == job_id, Job.status == JobStatus.QUEUED).values(**values)
                taken = cast("CursorResult[Any]", session.execute(query)).rowcount == 1
        except IntegrityError:  # a job of this kind runs for this project: this one stays in the queue
            return None
        return self.get(job_id) if taken else None

    def progress(self, job_id: str, fraction: float, message: str) -> bool:
        """Note how far a running job is; `fraction` in [0, 1], 1 = done. Whether a person wants it to stop."""
        values = {"progress": min(max(fraction, 0.0), 1.0), "message": message, "heartbeat_at": now()}
        noted = update(Job).where(Job.id == job_id, Job.status == JobStatus.RUNNING).values(**values)
        with self.database.session() as session:
            return bool(session.scalar(noted.returning(Job.cancel_requested)))

    def heartbeat(self, job_ids: Sequence[str], worker: WorkerName) -> None:
        """Record a heartbeat for the jobs that this worker runs."""
        with self.database.session() as session:
            session.execute(
                update(Job).where(Job.id.in_(job_ids), Job.worker == str(worker)).values(heartbeat_at=now())
            )

    def stop(self, job_id: str, worker: WorkerName) -> None:
        """End a job of this worker that a person cancelled; its progress and last message tell how far it came.

        A long job of its kind that was asked for meanwhile (a poll does that while photos are unread) goes with it.
        """
        running = update(Job).where(Job.id == job_id, Job.worker == str(worker), Job.status == JobStatus.RUNNING)
        values = {"status": JobStatus.CANCELLED, "finished_at": now(), "message": "cancelled after: " + Job.message}
        with self.database.session() as session:
            if cast("CursorResult[Any]", session.execute(running.values(**values))).rowcount == 1:
                _cancel_twin(session, session.get_one(Job, job_id))

    def finish(self, job_id: str, worker: WorkerName, *, result: Mapping[str, Any] | None, error: str | None) -> None:
        """End a job of this worker: done with a result, or failed with a sentence that says why.

        A `transient` result (a poll that found nothing new) deletes the row: it would only hide the jobs that did
        something.
        """
        with self.database.session() as session:
            if not error and (result or {}).get("transient"):
                session.execute(delete(Job).where(Job.id == job_id, Job.worker == str(worker)))
                return
            values: dict[str, Any] = {"finished_at": now(), "status": JobStatus.FAILED if error else JobStatus.DONE}
            values["message"] = error or (result or {}).get("message", "done")
            if result is not None:
                values["result"] = dict(result)
            if not error:
                values["progress"] = 1.0
            session.execute(
                update(Job)
                .where(Job.id == job_id, Job.worker == str(worker), Job.status == JobStatus.RUNNING)
                .values(**values)
            )

    def recover(self, worker: WorkerName) -> list[str]:
        """Put the jobs of dead workers back in the queue (or give them up after `MAX_ATTEMPTS`); ids put back."""
        silent_since = now() - timedelta(seconds=SILENCE_SECONDS)
        with self.database.session() as session:
            running = list(session.scalars(select(Job).where(Job.status == JobStatus.RUNNING)))
        revived: list[str] = []
        for job in running:
            silent = job.heartbeat_at is None or job.heartbeat_at < silent_since
            if not silent and not (job.worker and worker.knows_dead(job.worker)):
                continue
            try:
                with self.database.session() as session:
                    if _take_back(session, job):
                        revived.append(job.id)
            except IntegrityError:  # a new request came in this moment: the next sweep merges the two
                continue
        return revived

    def waiting(self, project_id: int | None = None, kind: str | None = None) -> list[str]:
        """Ids of the queued jobs, oldest first; of one project and kind, or of all."""
        query = select(Job.id).where(Job.status == JobStatus.QUEUED).order_by(Job.created_at, Job.id)
        if project_id is not None:
            query = query.where(Job.project_id == project_id)
        if kind is not None:
            query = query.where(Job.kind == kind)
        with self.database.session() as session:
            return list(session.scalars(query))

    def ready(self) -> list[tuple[str, str]]:
        """Id and kind of the queued jobs that no running job of their kind and project holds up, oldest first."""
        other = aliased(Job)
        held_up = exists().where(
            other.kind == Job.kind, other.project_id == Job.project_id, other.status == JobStatus.RUNNING
        )
        query = select(Job.id, Job.kind).where(Job.status == JobStatus.QUEUED, ~held_up)
        with self.database.session() as session:
            return [(row.id, row.kind) for row in session.execute(query.order_by(Job.created_at, Job.id))]

    def pending(self, kind: str, project_id: int) -> bool:
        """Whether a job of this kind waits or runs for the project."""
        query = select(Job.id).where(
            Job.project_id == project_id, Job.kind == kind, Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))
        )
        with self.database.session() as session:
            return session.scalar(query.limit(1)) is not None

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFoundError: no job has this id.
        """
        with self.database.session() as session:
            job = session.get(Job, job_id)
        if job is None:
            raise NotFoundError(f"There is no job {job_id!r}; GET /projects/<id>/jobs lists them.")
        return job

    def of_project(self, project_id: int, limit: int = 50) -> list[Job]:
        """The newest jobs of a project, newest first."""
        query = select(Job).where(Job.project_id == project_id).order_by(Job.created_at.desc(), Job.id).limit(limit)
        with self.database.session() as session:
            return list(session.scalars(query))

    def purge(self, older_than: timedelta) -> None:
        """Delete jobs that ended long ago, so that the ledger does not grow for ever.

        Where the last of its kind in a project failed or was cancelled, it stays: nobody is to ask for it again by itself.
        """
        later = aliased(Job)
        followed = exists().where(
            later.kind == Job.kind, later.project_id == Job.project_id, later.finished_at > Job.finished_at
        )
        ended = delete(Job).where(
            or_(Job.status == JobStatus.DONE, Job.status.in_((JobStatus.FAILED, JobStatus.CANCELLED)) & followed),
            Job.finished_at < now() - older_than,
        )
        with self.database.session() as session:
            session.execute(ended)


def _queued(kind: str, project_id: int) -> Any:
    return select(Job).where(Job.kind == kind, Job.project_id == project_id, Job.status == JobStatus.QUEUED)


def _cancel_twin(session: Session, cancelled: Job) -> None:
    """Cancel the job that waits for a cancelled one to end; what takes seconds only is left to run."""
    if lane_of(cancelled.kind) is Lane.LONG:
        twin = update(Job).where(
            Job.kind == cancelled.kind, Job.project_id == cancelled.project_id, Job.status == JobStatus.QUEUED
        )
        values = {"finished_at": now(), "message": "cancelled with the one before it"}
        session.execute(twin.values(status=JobStatus.CANCELLED, **values))


def _take_back(session: Session, dead: Job) -> bool:
    """Queue a running job again unless its worker, or another process, ended or recovered it meanwhile."""
    unclaimed = update(Job).where(
        Job.id == dead.id,
        Job.status == JobStatus.RUNNING,
        Job.worker == dead.worker,
        Job.heartbeat_at == dead.heartbeat_at,
    )
    # The write comes first: from here on no other process can claim or recover anything in between.
    unwanted = session.scalars(unclaimed.values(worker=None).returning(Job.cancel_requested)).one_or_none()
    if unwanted is None:
        return False
    queued = False
    values: dict[str, Any] = {"status": JobStatus.FAILED, "finished_at": now()}
    if unwanted:
        values |= {"status": JobStatus.CANCELLED, "message": "cancelled; its worker died first"}
        _cancel_twin(session, dead)
    elif dead.attempts >= MAX_ATTEMPTS:
        values["message"] = f"given up: the worker died {dead.attempts} times while it ran"
    elif (twin := session.scalars(_queued(dead.kind, dead.project_id).with_for_update()).one_or_none()) is not None:
        twin.payload = {**dead.payload, **twin.payload}  # the newer request wins, and nothing asked for is lost
        values["message"] = f"its worker died; job {twin.id} takes over"
    else:
        queued = True
        values = {"status": JobStatus.QUEUED, "message": "queued again: its worker died"}
    session.execute(update(Job).where(Job.id == dead.id).values(**values))
    return queued
