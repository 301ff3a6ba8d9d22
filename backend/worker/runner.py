"""Runs one job of the ledger: claims it, keeps its heartbeat, writes what became of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from backend import metrics
from backend.errors import BackendError, JobCancelledError
from backend.jobs.kinds import JobStatus
from backend.jobs.ledger import HEARTBEAT_SECONDS, JobLedger
from backend.jobs.worker_name import WorkerName
from backend.logs import logged_as
from backend.progress import Progress
from backend.storage.database import OUT_OF_REACH
from backend.storage.schema import Job
from backend.worker.handlers import Handler

log = logging.getLogger(__name__)

END_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before what became of a job is written down again, where the database did not take it: hours of work may hang
on it, and a database that is started anew is there by then."""


class Runner:
    """Runs jobs by kind; one instance for a worker process, called from all its threads."""

    def __init__(self, ledger: JobLedger, handlers: Mapping[str, Handler], wake: Callable[[], None]) -> None:
        """`wake` is called when a job has ended: another of its kind may have had to wait for it."""
        self.ledger = ledger
        self.handlers = handlers
        self.wake = wake
        self.name = WorkerName.of_this_process()
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def run(self, job_id: str) -> None:
        """Run a job if it is still to be run; its failure is written down, never raised."""
        job = self.ledger.claim(job_id, self.name)
        if job is None:
            return
        with logged_as(job=job_id):
            self._run(job_id, job)
        self.wake()

    def _run(self, job_id: str, job: Job) -> None:
        with self._lock:
            self._running.add(job_id)
        started = time.monotonic()
        log.info("job %s (%s, project %s) started", job_id, job.kind, job.project_id)
        error: str | None = None
        result: Mapping[str, Any] | None = None
        status = JobStatus.DONE
        try:
            result = self._handler(job)(job, self._progress_of(job))
        except JobCancelledError:
            status = JobStatus.CANCELLED
            log.info("job %s (%s, project %s) was cancelled", job_id, job.kind, job.project_id)
        except BackendError as failure:
            error = str(failure)
            log.error("job %s (%s, project %s) failed: %s", job_id, job.kind, job.project_id, error)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            log.exception("job %s (%s, project %s) failed", job_id, job.kind, job.project_id)
        end = partial(self.ledger.finish, job_id, self.name, result=result, error=error)
        try:
            _persist(partial(self.ledger.stop, job_id, self.name) if status is JobStatus.CANCELLED else end)
        finally:
            with self._lock:
                self._running.discard(job_id)
        metrics.JOBS.labels(job.kind, JobStatus.FAILED if error else status).inc()
        if error is None and status is JobStatus.DONE:
            log.info(
                "job %s (%s, project %s) done in %.1f s", job_id, job.kind, job.project_id, time.monotonic() - started
            )

    def keep_beating(self, stop: threading.Event) -> None:
        """Send heartbeats for the running jobs until `stop` is set, whatever the database says; run in a thread of its own."""
        while not stop.wait(HEARTBEAT_SECONDS):
            with self._lock:
                running = list(self._running)
            if not running:
                continue
            try:
                self.ledger.heartbeat(running, self.name)
            except SQLAlchemyError as error:
                log.warning("the database takes no heartbeat of %d jobs: %s", len(running), _first_line(error))

    def _handler(self, job: Job) -> Handler:
        if job.kind not in self.handlers:
            raise BackendError(f"Nothing runs jobs of kind {job.kind!r}; known: {', '.join(sorted(self.handlers))}")
        return self.handlers[job.kind]

    def _progress_of(self, job: Job) -> Progress:
        def report(fraction: float, message: str) -> None:
            try:
                cancelled = self.ledger.progress(job.id, fraction, message)
            except OUT_OF_REACH as error:  # nobody is told how far it is: no reason to lose what is done
                log.warning("the progress of job %s is not written down: %s", job.id, _first_line(error))
                cancelled = False
            log.info("%s of project %s: %3.0f %% %s", job.kind, job.project_id, 100 * fraction, message)
            if cancelled:
                raise JobCancelledError(job.id)

        return report


def _persist(write: Callable[[], None]) -> None:
    """Write something down that may be written twice, again and again while the database is out of reach.

    Raises:
        OperationalError: or another one of `OUT_OF_REACH`; it was out of reach all the time.
    """
    for pause in END_PAUSES:
        try:
            return write()
        except OUT_OF_REACH as error:
            log.warning("what became of a job is written down in %g s: %s", pause, _first_line(error))
            time.sleep(pause)
    return write()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
