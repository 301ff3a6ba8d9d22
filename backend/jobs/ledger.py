"""The ledger of jobs: the database rows that say what must run, what runs and what became of it.

A queue message may be lost or delivered twice; the ledger decides. A job is claimed by one atomic UPDATE, at most one
job of a kind runs for a project, and a job whose worker died goes back to the queue.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError

from backend.errors import NotFoundError
from backend.storage.database import Database
from backend.storage.schema import Job, now

HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # a worker that did not sign for so long is taken for dead
MAX_ATTEMPTS = 5  # a job that killed so many workers is given up, not tried for ever


@dataclass(frozen=True)
class WorkerName:
    """Who runs a job: host, process and a token of its own, since process numbers are used again."""

    host: str
    pid: int
    token: str

    @classmethod
    def of_this_process(cls) -> WorkerName:
        """A name for the running process."""
        return cls(socket.gethostname()[:30], os.getpid(), uuid.uuid4().hex[:8])

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.token}"

    def sees_dead(self, other: str) -> bool:
        """Whether this worker can tell that `other` lives no more (True only for processes of the same host)."""
        host, pid, token = other.rsplit(":", 2)
        if host != self.host:
            return False
        if int(pid) == self.pid:
            return token != self.token
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class JobLedger:
    """Reads and writes the job rows; safe with several processes on one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def request(self, kind: str, project_id: int, payload: Mapping[str, Any] | None = None) -> tuple[str, bool]:
        """Ask for a job. A job of this kind that waits already for the project serves for this request too.

        Returns: the job's id, and whether it is new.
        """
        waiting = self._waiting(kind, project_id)
        if waiting is not None:
            self._add_to_payload(waiting, payload)
            return waiting, False
        job = Job(id=uuid.uuid4().hex, kind=kind, project_id=project_id, status="queued", payload=dict(payload or {}))
        try:
            with self.database.session() as session:
                session.add(job)
        except IntegrityError:  # another process asked at the same moment
            waiting = self._waiting(kind, project_id)
            if waiting is None:
                return self.request(kind, project_id, payload)
            self._add_to_payload(waiting, payload)
            return waiting, False
        return job.id, True

    def _add_to_payload(self, job_id: str, payload: Mapping[str, Any] | None) -> None:
        if not payload:
            return
        with self.database.session() as session:
            job = session.get(Job, job_id)
            if job is not None:
                job.payload = {**job.payload, **payload}

    def _waiting(self, kind: str, project_id: int) -> str | None:
        query = select(Job.id).where(Job.kind == kind, Job.project_id == project_id, Job.status == "queued").limit(1)
        with self.database.session() as session:
            return session.scalar(query)

    def claim(self, job_id: str, worker: WorkerName) -> Job | None:
        """Take a queued job, if no other job of its kind runs for its project. None: not now, or already taken."""
        stamp = now()
        values = {
            "status": "running",
            "worker": str(worker),
            "started_at": stamp,
            "heartbeat_at": stamp,
            "attempts": Job.attempts + 1,
            "progress": 0.0,
            "message": "started",
        }
        try:
            with self.database.session() as session:
                query = update(Job).where(Job.id == job_id, Job.status == "queued").values(**values)
                taken = cast("CursorResult[Any]", session.execute(query)).rowcount == 1
        except IntegrityError:  # a job of this kind runs for this project: this one stays in the queue
            return None
        return self.get(job_id) if taken else None

    def progress(self, job_id: str, fraction: float, message: str) -> None:
        """Note how far a running job is; `fraction` in [0, 1], 1 = done."""
        values = {"progress": min(max(fraction, 0.0), 1.0), "message": message, "heartbeat_at": now()}
        with self.database.session() as session:
            session.execute(update(Job).where(Job.id == job_id, Job.status == "running").values(**values))

    def sign(self, job_ids: Sequence[str], worker: WorkerName) -> None:
        """Say that this worker still lives and works at these jobs."""
        with self.database.session() as session:
            session.execute(
                update(Job).where(Job.id.in_(job_ids), Job.worker == str(worker)).values(heartbeat_at=now())
            )

    def finish(self, job_id: str, worker: WorkerName, *, result: Mapping[str, Any] | None, error: str | None) -> None:
        """End a job of this worker: done with a result, or failed with a sentence that says why.

        A `forgettable` result (a poll that found nothing new) takes the job's row along: people would find nothing else.
        """
        with self.database.session() as session:
            if not error and (result or {}).get("forgettable"):
                session.execute(delete(Job).where(Job.id == job_id, Job.worker == str(worker)))
                return
            values: dict[str, Any] = {"finished_at": now(), "status": "failed" if error else "done"}
            values["message"] = error or (result or {}).get("message", "done")
            if result is not None:
                values["result"] = dict(result)
            if not error:
                values["progress"] = 1.0
            session.execute(
                update(Job).where(Job.id == job_id, Job.worker == str(worker), Job.status == "running").values(**values)
            )

    def recover(self, worker: WorkerName) -> list[str]:
        """Put the jobs of dead workers back in the queue (or give them up after `MAX_ATTEMPTS`); ids put back."""
        silent_since = now() - timedelta(seconds=SILENCE_SECONDS)
        revived: list[str] = []
        with self.database.session() as session:
            for job in session.scalars(select(Job).where(Job.status == "running")):
                silent = job.heartbeat_at is None or job.heartbeat_at < silent_since
                if not silent and not (job.worker and worker.sees_dead(job.worker)):
                    continue
                if job.attempts >= MAX_ATTEMPTS:
                    job.status, job.finished_at = "failed", now()
                    job.message = f"given up: the worker died {job.attempts} times while it ran"
                else:
                    twin = self._waiting(job.kind, job.project_id or 0)
                    if twin is not None:  # a newer request waits already and does the same
                        job.status, job.finished_at = "failed", now()
                        job.message = f"its worker died; job {twin} does the same"
                    else:
                        job.status, job.worker, job.message = "queued", None, "queued again: its worker died"
                        revived.append(job.id)
        return revived

    def waiting(self, project_id: int | None = None) -> list[str]:
        """Ids of the queued jobs, oldest first; of one project, or of all."""
        query = select(Job.id).where(Job.status == "queued").order_by(Job.created_at, Job.id)
        if project_id is not None:
            query = query.where(Job.project_id == project_id)
        with self.database.session() as session:
            return list(session.scalars(query))

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

    def forget(self, older_than: timedelta) -> None:
        """Delete jobs that ended long ago, so that the ledger does not grow for ever."""
        with self.database.session() as session:
            ended = select(Job).where(Job.status.in_(("done", "failed")), Job.finished_at < now() - older_than)
            for job in session.scalars(ended):
                session.delete(job)
