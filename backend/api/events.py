"""Jobs as they move: server-sent events, so that a page need not be loaded anew."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

from flask import Blueprint, Response

from backend.api.describe import Answer, described
from backend.dashboard.project_data import unfinished_jobs
from backend.errors import BusyError
from backend.jobs.kinds import JobStatus
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project

STREAM_SECONDS = 8.0
"""A stream ends after that, and the browser opens it again: shorter than the server waits for requests when it is stopped."""

LOOK_SECONDS = 0.5
IDLE_MILLISECONDS = 3000
SHARE_OF_THREADS = 4
"""At most one of so many threads holds a stream: pages that are left open must not keep Label Studio waiting."""


class Streams:
    """How many streams are open."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    def take(self) -> None:
        """Open one.

        Raises:
            BusyError: too many are open.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError("Too many pages listen for jobs now: this one looks again in some seconds.")

    def give_back(self) -> None:
        """Close one."""
        self._free.release()


def events_blueprint(runtime: Runtime) -> Blueprint:
    """The stream of a project's jobs."""
    blueprint = Blueprint("events", __name__, url_prefix="/projects/<int:project_id>")
    streams = Streams(max(1, runtime.settings.web_threads // SHARE_OF_THREADS))

    @blueprint.get("/events")
    @described("Jobs under way, as server-sent events; ends while nothing runs.", answers={200: None})
    def events(project_id: int) -> Answer:
        find_project(runtime, project_id)
        streams.take()
        response = Response(_stream(runtime, project_id), content_type="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.call_on_close(streams.give_back)
        return response

    return blueprint


def _stream(runtime: Runtime, project_id: int) -> Iterator[str]:
    """What is under way, whenever it changed, for as long as something runs."""
    end = time.monotonic() + STREAM_SECONDS
    said = None
    yield f"retry: {IDLE_MILLISECONDS}\n\n"
    while True:
        jobs = unfinished_jobs(runtime, project_id)
        told = json.dumps(jobs)
        if told != said:
            said = told
            yield f"event: jobs\ndata: {told}\n\n"
        moving = any(job["status"] == JobStatus.RUNNING for job in jobs)
        if not moving or time.monotonic() > end:
            return
        time.sleep(LOOK_SECONDS)
