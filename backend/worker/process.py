"""The worker of a lane as a process: opens what it needs, and works until told to stop."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial

from backend.jobs.kinds import Lane
from backend.jobs.queue import JobQueue
from backend.reports import Reporter
from backend.service.context.context import Runtime
from backend.service.ingest.polling import poll_projects
from backend.service.ingest.spool import SPOOL, EventSpool
from backend.settings import Settings
from backend.storage.database import Database
from backend.worker.consumer import Worker
from backend.worker.handlers import job_handlers

log = logging.getLogger(__name__)

REPORT_SECONDS = 5.0
SPOOL_SECONDS = 5.0
MISSING_SECONDS = 3600.0  # projects that Label Studio does not have are asked for so often
LONG_NICENESS = 10  # of 19: the long lane takes the processor time that predictions and queues leave


def run_worker(settings: Settings, lane: Lane) -> None:
    """Run the jobs of a lane until SIGTERM or SIGINT; the database is up to date already, whoever starts it sees to it."""
    if lane is Lane.LONG:
        os.nice(LONG_NICENESS)
    database = Database(settings.resolved_database_url)
    queue = JobQueue(settings, database)
    runtime = Runtime(settings, database, queue)
    poll = partial(poll_projects, runtime)
    spool = EventSpool(settings.state_dir / SPOOL)
    durable = Database(
        settings.resolved_database_url, durable=True
    )  # else a file might go before its event has arrived
    take_in = partial(spool.take_in, Runtime(settings, durable, queue))
    clocks: dict[Callable[[], object], float] = {poll: settings.poll_seconds} if lane is Lane.QUICK else {}
    ask_again = partial(poll_projects, runtime, missing=True)
    if lane is Lane.QUICK:
        clocks |= {take_in: SPOOL_SECONDS, ask_again: MISSING_SECONDS}
    worker = Worker(queue, lane, job_handlers(runtime), threads=settings.job_workers, clocks=clocks)
    reporter = Reporter(runtime.reports_folder, "worker", str(worker.runner.name))
    reporter.write()
    worker.clocks[reporter.write] = REPORT_SECONDS
    log.info("worker of the %s lane started: %d threads", lane, settings.job_workers)
    if lane is Lane.QUICK:
        log.info("Label Studio is polled every %g s", settings.poll_seconds)
        ask_again()  # what happened while nobody worked; the address of Label Studio may be another one now
    worker.run()
