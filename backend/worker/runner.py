"""Runs one job of the ledger: claims it, keeps its heartbeat, writes what became of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from backend import metrics
from backend.errors import BackendError, JobCancelledError
from backend.jobs.kinds import JobStatus
from backend.jobs.ledger import HEARTBEAT_SECONDS, JobLedger
from backend.jobs.worker_name import WorkerName
from backend.logs import logged_as
from backend.progress import Progress
from backend.storage.schema import Job
from backend.worker.handlers import Handler

log = logging.getLogger(__name__)


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
        finally:
            with self._lock:
                self._running.discard(job_id)
        if status is JobStatus.CANCELLED:
            self.ledger.stop(job_id, self.name)
        else:
            self.ledger.finish(job_id, self.name, result=result, error=error)
        metrics.JOBS.labels(job.kind, JobStatus.FAILED if error else status).inc()
        if error is None and status is JobStatus.DONE:
            log.info(
                "job %s (%s, project %s) done in %.1f s", job_id, job.kind, job.project_id, time.monotonic() - started
            )

    def keep_beating(self, stop: threading.Event) -> None:
        """Send heartbeats for the running jobs until `stop` is set; run in a thread of its own."""
        while not stop.wait(HEARTBEAT_SECONDS):
            with self._lock:
                running = list(self._running)
            if running:
                self.ledger.heartbeat(running, self.name)

    def _handler(self, job: Job) -> Handler:
        if job.kind not in self.handlers:
            raise BackendError(f"Nothing runs jobs of kind {job.kind!r}; known: {', '.join(sorted(self.handlers))}")
        return self.handlers[job.kind]

    def _progress_of(self, job: Job) -> Progress:
        def report(fraction: float, message: str) -> None:
            cancelled = self.ledger.progress(job.id, fraction, message)
            log.info("%s of project %s: %3.0f %% %s", job.kind, job.project_id, 100 * fraction, message)
            if cancelled:
                raise JobCancelledError(job.id)

        return report
