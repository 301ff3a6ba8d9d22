"""The worker of one lane: Huey's consumer on threads, with a sweep that loses nothing and the polling clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from backend.jobs.kinds import Lane
from backend.jobs.queue import JobQueue
from backend.worker.handlers import Handler
from backend.worker.runner import Runner

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
PURGE_SECONDS = 3600.0
KEEP_ENDED_JOBS = timedelta(days=14)


class Worker:
    """Runs the jobs of a lane until it is told to stop; one instance for a process."""

    def __init__(
        self,
        queue: JobQueue,
        lane: Lane,
        handlers: Mapping[str, Handler],
        *,
        threads: int,
        clocks: Mapping[Callable[[], object], float] | None = None,
    ) -> None:
        """`clocks`: what else is called regularly, with the seconds between two calls."""
        self.queue = queue
        self.lane = lane
        self.threads = threads
        self.runner = Runner(queue.ledger, handlers, wake=lambda: queue.wake(lane))
        self.clocks: dict[Callable[[], object], float] = {
            self.sweep: SWEEP_SECONDS,
            self.purge: PURGE_SECONDS,
            **(clocks or {}),
        }
        queue.run_job = self.runner.run
        self._stop = threading.Event()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; jobs that run then are finished or, if killed, run again later."""
        self.sweep()
        threading.Thread(target=self.runner.keep_beating, args=(self._stop,), daemon=True).start()
        for work, seconds in self.clocks.items():
            threading.Thread(target=self._every, args=(seconds, work), daemon=True).start()
        consumer = self.queue.lanes[self.lane].create_consumer(
            workers=self.threads, worker_type="thread", periodic=False, initial_delay=0.05, max_delay=0.5
        )
        try:
            consumer.run()
        finally:
            self._stop.set()

    def sweep(self) -> None:
        """Bring back the jobs of dead workers, and wake this lane for what waits without a message."""
        for job_id in self.queue.ledger.recover(self.runner.name):
            log.warning("job %s is queued again: its worker died", job_id)
        self.queue.wake(self.lane)

    def purge(self) -> None:
        """Delete the rows of jobs that ended long ago."""
        self.queue.ledger.purge(KEEP_ENDED_JOBS)

    def _every(self, seconds: float, work: Callable[[], object]) -> None:
        while not self._stop.wait(seconds):
            try:
                work()
            except Exception:
                log.exception("%s failed; it is tried again in %g s", getattr(work, "__name__", "clock"), seconds)
