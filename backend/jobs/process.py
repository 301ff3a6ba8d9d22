"""The worker as a process: opens what it needs, works until told to stop, and goes when its parent is gone."""

from __future__ import annotations

import logging
import os
import signal
import threading
from functools import partial

from backend.jobs.queue import JobQueue
from backend.jobs.worker import Worker
from backend.service.handlers import job_handlers
from backend.service.reconcile import poll_projects
from backend.service.runtime import Runtime
from backend.settings import Settings
from backend.storage.database import Database

log = logging.getLogger(__name__)

PARENT_CHECK_SECONDS = 1.0


def run_worker(settings: Settings, *, follow_parent: bool = False) -> None:
    """Run jobs until SIGTERM or SIGINT.

    Args:
        follow_parent: end also when the process that started this one is gone, however it died.
    """
    database = Database(settings.resolved_database_url)
    database.migrate()
    queue = JobQueue(settings, database)
    runtime = Runtime(settings, database, queue.enqueue)
    if follow_parent:
        threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
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


def _watch_parent(parent: int) -> None:
    stop = threading.Event()
    while os.getppid() == parent:
        stop.wait(PARENT_CHECK_SECONDS)
    log.warning("the process that started this worker is gone: stopping")
    os.kill(os.getpid(), signal.SIGTERM)
