"""The worker process: Huey's consumer on threads, with a sweep that loses nothing and the polling clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from backend.jobs.queue import JobQueue
from backend.worker.handlers import Handler
from backend.worker.runner import Runner

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
KEEP_ENDED_JOBS = timedelta(days=14)


class Worker:
    """Runs the jobs of a queue until it is told to stop."""

    def __init__(
        self,
        queue: JobQueue,
        handlers: Mapping[str, Handler],
        *,
        threads: int,
        poll_seconds: float,
        poll: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.threads = threads
        self.poll_seconds = poll_seconds
        self.poll = poll
        self.runner = Runner(queue.ledger, handlers, queue.send)
        queue.run_job = self.runner.run
        self._stop = threading.Event()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; jobs that run then are finished or, if killed, run again later."""
        self.sweep()
        clocks = (
            threading.Thread(target=self.runner.keep_signing, args=(self._stop,), daemon=True),
            threading.Thread(target=self._every, args=(SWEEP_SECONDS, self.sweep), daemon=True),
            threading.Thread(target=self._every, args=(self.poll_seconds, self.poll), daemon=True),
        )
        for clock in clocks:
            clock.start()
        consumer = self.queue.huey.create_consumer(
            workers=self.threads, worker_type="thread", periodic=False, initial_delay=0.05, max_delay=0.5
        )
        try:
            consumer.run()
        finally:
            self._stop.set()

    def sweep(self) -> None:
        """Bring back the jobs of dead workers, and send again what waits in the ledger without a message."""
        for job_id in self.queue.ledger.recover(self.runner.name):
            log.warning("job %s is queued again: its worker died", job_id)
        for job_id in self.queue.ledger.waiting():
            self.queue.send(job_id)
        self.queue.ledger.forget(KEEP_ENDED_JOBS)

    def _every(self, seconds: float, work: Callable[[], None]) -> None:
        while not self._stop.wait(seconds):
            try:
                work()
            except Exception:
                log.exception("%s failed; it is tried again in %g s", getattr(work, "__name__", "clock"), seconds)
