"""Waiting, with a sign of progress, until the queue of a project is in order for the first time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from backend.errors import BackendError
from backend.progress import Status

POLL_SECONDS = 0.5
SLOWEST = ("embed", "refresh", "sync")  # what people wait for, of several jobs at work

Ask = Callable[[str], dict[str, Any]]
"""What the backend answers to a path, e.g. `/projects/3`."""


def wait_for_window(
    ask: Ask, project: int, status: Status, *, shown: int = 10, meanwhile: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Wait until a queue window is published; returns its first `shown` places, none if the project has no tasks.

    Args:
        meanwhile: called at each look; raises what ends the waiting.

    Raises:
        BackendError: a job failed meanwhile, or not one photo can be read.
    """
    started = datetime.now(UTC)
    while True:
        meanwhile()
        queue = ask(f"/projects/{project}/queue?limit={shown}")["queue"]
        if queue:
            return list(queue)
        jobs = ask(f"/projects/{project}/jobs?limit=20")["jobs"]
        tasks = ask(f"/projects/{project}")["tasks"]
        recent = [job for job in jobs if datetime.fromisoformat(job["created_at"]) >= started]
        failed = next((job for job in recent if job["job_status"] == "failed"), None)
        if failed is not None:
            raise BackendError(f"The {failed['kind']} job failed: {failed['message']} The backend's log tells more.")
        idle = bool(jobs) and not any(job["job_status"] in ("queued", "running") for job in jobs)
        if idle and not tasks["total"]:
            return []
        if idle and tasks["failed"] == tasks["total"]:
            first = ask(f"/projects/{project}/failures?limit=1")["failures"][0]
            raise BackendError(
                f"None of the {tasks['total']} photos can be read. Task {first['task']}: {first['message']}"
            )
        status(status_line(jobs, tasks))
        time.sleep(POLL_SECONDS)


def status_line(jobs: Sequence[dict[str, Any]], tasks: dict[str, int]) -> str:
    """How far it is, in a line."""
    read = f"{tasks['embedded']} of {tasks['total']} photos read"
    if tasks["failed"]:
        read += f", {tasks['failed']} cannot be read"
    at_work = [job for job in jobs if job["job_status"] == "running"]
    if not at_work:
        return f"waiting for the queue: {read}"
    running = min(at_work, key=lambda job: SLOWEST.index(job["kind"]) if job["kind"] in SLOWEST else len(SLOWEST))
    return f"waiting for the queue: {read}; {running['kind']}, {running['percent']} %: {running['message']}"
