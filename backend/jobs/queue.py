"""What the rest of the product sees of the jobs: ask for one, and it will run once in effect."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from huey.api import Huey

from backend.jobs.huey_queue import open_huey, queue_faults
from backend.jobs.ledger import JobLedger
from backend.settings import Settings
from backend.storage.database import Database

log = logging.getLogger(__name__)


class JobQueue:
    """The ledger, and the messages that wake a worker."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.ledger = JobLedger(database)
        self.huey: Huey = open_huey(settings)
        self._out_of_reach = queue_faults(settings)
        # The body runs in the worker, which sets `run_job`; a process that only asks for jobs leaves it None.
        self.run_job: Any = None
        self._message = self.huey.task(name="run_job")(self._received)

    def _received(self, job_id: str) -> None:
        if self.run_job is not None:
            self.run_job(job_id)

    def enqueue(self, kind: str, project_id: int, payload: Mapping[str, Any] | None = None) -> str:
        """Ask for a job and wake a worker; a burst of requests becomes one job. Returns the job's id."""
        job_id, new = self.ledger.request(kind, project_id, payload)
        if new:
            self.send(job_id)
        return job_id

    def send(self, job_id: str) -> None:
        """Wake a worker for this job. If the queue is out of reach the job waits in the ledger for the next sweep."""
        try:
            self._message(job_id)
        except self._out_of_reach as error:
            log.warning("the job queue is out of reach (%s): job %s waits for the next sweep", error, job_id)
