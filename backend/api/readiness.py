"""Whether all that the backend works with is there, each with its reason if not: what /ready answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from backend.jobs.huey_queue import queue_faults
from backend.jobs.queue import JobQueue
from backend.reports import read_reports
from backend.service.context.context import Runtime
from backend.service.ingest.spool import EventSpool

SILENT_SECONDS = 60.0  # a worker that wrote nothing for so long does not live
MIN_FREE_BYTES = 100 << 20
LOCK_WAIT_MS = 500


@dataclass(frozen=True)
class CheckResult:
    """How one thing is; `message` is for people."""

    ok: bool
    message: str


def readiness(runtime: Runtime, jobs: JobQueue, spool: EventSpool) -> dict[str, CheckResult]:
    """What is looked at, by name; takes a second at most."""
    checks: dict[str, Callable[[], CheckResult]] = {
        "database": lambda: _database(runtime),
        "disk": lambda: _disk(runtime),
        "weights": lambda: _weights(runtime),
        "wordnet": lambda: _wordnet(runtime),
        "queue": lambda: _queue(runtime, jobs),
        "worker": lambda: _worker(runtime),
        "events": lambda: _events(spool),
    }
    return {name: check() for name, check in checks.items()}


def _database(runtime: Runtime) -> CheckResult:
    database = runtime.database
    try:
        with database.engine.connect() as connection:
            if not database.is_sqlite:
                connection.execute(text("SELECT 1"))
                return CheckResult(True, "reachable")
            raw = connection.connection.cursor()
            try:
                usual = raw.execute("PRAGMA busy_timeout").fetchone()[0]
                raw.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
                try:
                    raw.execute("BEGIN IMMEDIATE")
                    raw.execute("ROLLBACK")
                finally:
                    raw.execute(f"PRAGMA busy_timeout={usual}")
            finally:
                raw.close()
    except SQLAlchemyError as error:
        return CheckResult(False, f"does not answer: {_first_line(error)}")
    except database.driver_error as error:
        return CheckResult(False, f"cannot be written to now: {_first_line(error)}")
    return CheckResult(True, "can be written to")


def _disk(runtime: Runtime) -> CheckResult:
    try:
        free = shutil.disk_usage(runtime.settings.state_dir).free
    except OSError as error:
        return CheckResult(False, f"STATE_DIR cannot be looked at: {error.strerror}")
    said = f"{free >> 20} MB free where STATE_DIR is"
    return CheckResult(free >= MIN_FREE_BYTES, said if free >= MIN_FREE_BYTES else f"only {said}: make room")


def _weights(runtime: Runtime) -> CheckResult:
    backbone = runtime.backbone_id
    return CheckResult(
        backbone is not None, backbone or "the backbone is not open yet; if this stays, the log says why"
    )


def _wordnet(runtime: Runtime) -> CheckResult:
    is_open = runtime.wordnet_is_open
    return CheckResult(is_open, "open" if is_open else "not open yet; if this stays, the log says why")


def _queue(runtime: Runtime, jobs: JobQueue) -> CheckResult:
    try:
        messages = sum(huey.pending_count() for huey in jobs.lanes.values())
    except queue_faults(runtime.settings) as error:
        return CheckResult(False, f"out of reach: {_first_line(error)}")
    return CheckResult(True, f"{messages} messages")


def _worker(runtime: Runtime) -> CheckResult:
    ages = [report.age for report in read_reports(runtime.reports_folder) if report.role == "worker"]
    if not ages:
        return CheckResult(False, "no worker was ever seen: start `serve`, or `worker`")
    if min(ages) > SILENT_SECONDS:
        return CheckResult(False, f"no worker was seen for {min(ages):.0f} s")
    return CheckResult(True, f"seen {min(ages):.0f} s ago")


def _events(spool: EventSpool) -> CheckResult:
    waiting = len(spool.waiting())
    return CheckResult(waiting == 0, f"{waiting} events wait in files for the database" if waiting else "none wait")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
