"""The worker as a process: opens what it needs, and works until told to stop."""

from __future__ import annotations

import logging
from functools import partial

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.polling import poll_projects
from backend.settings import Settings
from backend.storage.database import Database
from backend.worker.consumer import Worker
from backend.worker.handlers import job_handlers

log = logging.getLogger(__name__)


def run_worker(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT; the database is up to date already, whoever starts a worker sees to it."""
    database = Database(settings.resolved_database_url)
    queue = JobQueue(settings, database)
    runtime = Runtime(settings, database, queue.enqueue)
    worker = Worker(
        queue,
        job_handlers(runtime),
        threads=settings.job_workers,
        poll_seconds=settings.poll_seconds,
        poll=partial(poll_projects, runtime),
    )
    log.info("worker started: %d threads, polls every %g s", settings.job_workers, settings.poll_seconds)
    poll_projects(runtime)  # what happened while nobody worked
    worker.run()
