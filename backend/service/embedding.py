"""The embed job: reads the images of new tasks and stores their embeddings; what fails is noted for that task alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import update

from backend.errors import ImageError
from backend.features import Embedded, embed_stream
from backend.service import metrics
from backend.service.runtime import Runtime
from backend.service.tasks import count_tasks, pending_tasks, retry_failures
from backend.storage.schema import Task

log = logging.getLogger(__name__)

CHUNK = 256
REFRESH_SECONDS = 60.0  # while a big pool is embedded, the order takes in what is there this often
PASSING_REASONS = ("timeout", "http_status", "unreachable")
MAX_READS = 3


def embed_pending(runtime: Runtime, project_id: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Embed every task of a project that has no embedding yet. Returns counts and a `message`."""
    with runtime.database.session() as session:
        retry_failures(session, project_id, PASSING_REASONS, MAX_READS)
        total = count_tasks(session, project_id)["pending"]
    done = failed = 0
    refreshed = time.monotonic()
    while True:
        with runtime.database.session() as session:
            tasks = pending_tasks(session, project_id, CHUNK)
        if not tasks:
            break
        for item in embed_tasks(runtime, tasks):
            done += 1
            failed += item.error is not None
        progress(min(done / max(total, done), 1.0), f"{done} of {max(total, done)} photos read, {failed} unreadable")
        if time.monotonic() - refreshed > REFRESH_SECONDS:
            refreshed = time.monotonic()
            runtime.enqueue("refresh", project_id)
    if done:
        runtime.enqueue("refresh", project_id)
    return {"read": done, "unreadable": failed, "message": f"{done} photos read, {failed} unreadable"}


def embed_tasks(runtime: Runtime, tasks: Sequence[Task], *, deadline: float | None = None) -> list[Embedded[int]]:
    """Read and embed these tasks, store what came of it, and give it back by task id.

    Args:
        deadline: `time.monotonic()` after which no further image is started; those tasks stay pending.
    """
    settings, backbone = runtime.settings, runtime.backbone
    by_id = {task.task_id: task for task in tasks}
    items = (
        (task.task_id, partial(runtime.fetcher.fetch, task.image, task_id=task.task_id))
        for task in tasks
        if deadline is None or time.monotonic() < deadline
    )
    outcomes = list(
        embed_stream(
            backbone,
            items,
            batch_size=settings.batch_size,
            decode_threads=settings.decode_threads,
            known=lambda digests: runtime.features.get(digests, backbone.id),
        )
    )
    fresh = [(item.digest, item.embedding) for item in outcomes if item.embedding is not None and item.digest]
    # Features before tasks: a task that names a digest always finds its embedding.
    runtime.features.put(backbone.id, fresh)
    with runtime.database.session() as session:
        for item in outcomes:
            task = by_id[item.key]
            where = (Task.project_id == task.project_id, Task.task_id == task.task_id, Task.image == task.image)
            session.execute(update(Task).where(*where).values(**_values(item, task)))
    return outcomes


def _values(item: Embedded[int], task: Task) -> dict[str, Any]:
    if item.error is None:
        metrics.IMAGES_EMBEDDED.inc()
        return {"digest": item.digest, "failure": None, "failure_detail": None, "attempts": task.attempts + 1}
    note_failure(task.project_id, task.task_id, item.error)
    return {"failure": item.error.reason, "failure_detail": str(item.error), "attempts": task.attempts + 1}


def note_failure(project_id: int, task_id: int, error: ImageError) -> None:
    """Say in the log and the metrics why a task gets no prediction."""
    metrics.IMAGE_FAILURES.labels(error.reason).inc()
    log.warning("task %s of project %s has no readable image (%s): %s", task_id, project_id, error.reason, error)
