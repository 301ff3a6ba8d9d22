"""What the rest of the product sees of the jobs: ask for one, and it will run once in effect."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from huey.api import Huey

from backend.jobs import cancellation
from backend.jobs.huey_queue import open_huey, queue_faults
from backend.jobs.kinds import Lane, lane_of
from backend.jobs.ledger import JobLedger
from backend.settings import Settings
from backend.storage.database import Database

log = logging.getLogger(__name__)


class JobQueue:
    """The ledger, and for each lane the messages that wake a worker."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.ledger = JobLedger(database)
        self.lanes: Mapping[Lane, Huey] = {lane: open_huey(settings, lane) for lane in Lane}
        self._out_of_reach = queue_faults(settings)
        # The body runs in the worker, which sets `run_job`; a process that only asks for jobs leaves it None.
        self.run_job: Callable[[str], None] | None = None
        self._messages = {lane: huey.task(name="run_job")(self._received) for lane, huey in self.lanes.items()}

    def _received(self, job_id: str) -> None:
        if self.run_job is not None:
            self.run_job(job_id)

    def enqueue(self, kind: str, project_id: int, payload: Mapping[str, Any] | None = None) -> str:
        """Ask for a job and wake a worker; a burst of requests becomes one job. Returns the job's id."""
        job_id, new = self.ledger.request(kind, project_id, payload)
        if new:
            self._send(job_id, lane_of(kind))
        return job_id

    def retry(self, project_id: int, job_id: str) -> str:
        """Ask once more for what a cancelled or failed job was asked for; the new job's id. Errors: `cancellation.retry`."""
        found, new = cancellation.retry(self.ledger, project_id, job_id)
        if new:
            self._send(found, lane_of(self.ledger.get(found).kind))
        return found

    def pending(self, kind: str, project_id: int) -> bool:
        """Whether a job of this kind waits or runs for the project."""
        return self.ledger.pending(kind, project_id)

    def cancelled_at(self, kind: str, project_id: int, *, or_failed: bool = False) -> datetime | None:
        """When a person cancelled (or when failed) the last job of this kind that ended for the project; None: nobody did."""
        return cancellation.cancelled_at(self.ledger, kind, project_id, or_failed=or_failed)

    def wake(self, lane: Lane) -> None:
        """Send a message for each job of a lane that could run and has none: its message was lost, or came too early.

        A job that has a message, or waits for another of its kind to end, gets no second one.
        """
        ready = [job_id for job_id, kind in self.ledger.ready() if lane_of(kind) is lane]
        if not ready:
            return
        try:
            sent = {task.args[0] for task in self.lanes[lane].pending()}
        except self._out_of_reach as error:
            log.warning("the job queue is out of reach (%s): %d jobs wait for the next sweep", error, len(ready))
            return
        for job_id in ready:
            if job_id not in sent:
                self._send(job_id, lane)

    def _send(self, job_id: str, lane: Lane) -> None:
        try:
            self._messages[lane](job_id)
        except self._out_of_reach as error:
            log.warning("the job queue is out of reach (%s): job %s waits for the next sweep", error, job_id)
