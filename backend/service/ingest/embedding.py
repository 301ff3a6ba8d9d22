"""The embed job: reads the images of new tasks and stores their embeddings; what fails is noted for that task alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import bindparam, update

from backend import metrics
from backend.errors import ImageError
from backend.features import Backbone, Embedded, embed_stream
from backend.jobs.kinds import JobKind
from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.projects.tasks import (
    count_tasks,
    count_unseen,
    pending_tasks,
    read_tasks,
    retry_failures,
    tasks_by_id,
)
from backend.storage.schema import Task

log = logging.getLogger(__name__)


CHUNK = 256
PAGE = 5000  # tasks whose embeddings are looked for at a time
NO_TASK = -1  # less than any task's id
REFRESH_SECONDS = 60.0  # while a big pool is embedded, the order takes in what is there this often
PASSING_REASONS = ("timeout", "http_status", "unreachable")
MAX_READS = 3

# Only where the image is still the one that was read.
_NOTE = (
    update(Task.__table__)  # type: ignore[arg-type]
    .where(
        Task.project_id == bindparam("of_project"),
        Task.task_id == bindparam("of_task"),
        Task.image == bindparam("of_image"),
    )
    .values({name: bindparam(name) for name in ("digest", "failure", "failure_detail", "attempts")})
)


def embed_pending(
    runtime: Runtime, project_id: int, progress: Progress, *, unseen: bool = False, isolated: bool = False
) -> dict[str, Any]:
    """Embed every task of a project that has no embedding yet, by the project's backbone. Returns counts and a `message`.

    Args:
        unseen: embed also the tasks that only another backbone has seen: BACKBONE or the serving version was changed.
        isolated: decode every photo in a process of its own: this job has killed workers before, and a photo that does
            so then costs only itself.
    """
    backbone = runtime.backbone_of(find_project(runtime, project_id).backbone)
    with runtime.database.session() as session:
        retry_failures(session, project_id, PASSING_REASONS, MAX_READS)
        total = count_tasks(session, project_id)["pending"]
        unseen_total = count_unseen(session, project_id, backbone.id) if unseen else 0
    total += unseen_total
    done = failed = 0
    refreshed = time.monotonic()
    unseen_chunks = unseen_photos(runtime, project_id, backbone.id, unseen_total)
    try:
        for tasks in chain(_pending(runtime, project_id), unseen_chunks):
            for item in embed_tasks(runtime, backbone, tasks, note=True, isolated=isolated):
                done += 1
                failed += item.error is not None
            most = max(total, done)
            progress(min(done / most, 1.0), f"{done} of {most} photos read, {failed} unreadable")
            if time.monotonic() - refreshed > REFRESH_SECONDS:
                refreshed = time.monotonic()
                runtime.jobs.enqueue(JobKind.REFRESH, project_id)
    finally:
        if done:  # cancelled or not: what was read is ordered
            runtime.jobs.enqueue(JobKind.REFRESH, project_id)
    return {"read": done, "unreadable": failed, "message": f"{done} photos read, {failed} unreadable"}


def ask_for_unseen(runtime: Runtime, project_id: int, seen: int) -> None:
    """Ask for an embed job where a project has more embedded tasks than the `seen` ones of its pool.

    The others were embedded by another backbone: before BACKBONE was changed, or while another version served. A
    person who cancelled the reading is not overruled.
    """
    if runtime.jobs.cancelled_at(JobKind.EMBED, project_id) is not None:
        return
    with runtime.database.session() as session:
        embedded = count_tasks(session, project_id)["embedded"]
    if embedded > seen:
        log.info("%d photos of project %s were seen by another backbone only", embedded - seen, project_id)
        runtime.jobs.enqueue(JobKind.EMBED, project_id, {"unseen": True})


def _pending(runtime: Runtime, project_id: int) -> Iterator[list[Task]]:
    while True:
        with runtime.database.session() as session:
            tasks = pending_tasks(session, project_id, CHUNK)
        if not tasks:
            return
        yield tasks


def unseen_photos(runtime: Runtime, project_id: int, backbone_id: str, count: int) -> Iterator[list[Task]]:
    """The `count` tasks whose image was read but not embedded by this backbone, in chunks; each once.

    Two look-ups by key instead of one join: databases would rather read the whole table of features for each chunk.
    """
    after = NO_TASK
    while count > 0:
        with runtime.database.session() as session:
            page = read_tasks(session, project_id, after, PAGE)
        if not page:
            return
        after = page[-1][0]
        seen = runtime.features.seen([digest for _, digest in page], backbone_id)
        unseen = [task_id for task_id, digest in page if digest not in seen]
        count -= len(unseen)
        for start in range(0, len(unseen), CHUNK):
            with runtime.database.session() as session:
                tasks = tasks_by_id(session, project_id, unseen[start : start + CHUNK])
            yield tasks


def embed_tasks(
    runtime: Runtime,
    backbone: Backbone,
    tasks: Sequence[Task],
    *,
    note: bool,
    deadline: float | None = None,
    isolated: bool = False,
) -> list[Embedded[int]]:
    """Read and embed these tasks, keep the embeddings, and give back what came of each by task id.

    Args:
        note: write what came of it into the tasks: for the backbone of their project.
        deadline: `time.monotonic()` after which no further image is started; those tasks stay as they are.
        isolated: decode every photo in a process of its own.
    """
    settings = runtime.settings
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
            known=lambda digests: runtime.features.get(digests, backbone.id, backbone.spec.embedding_dim),
            decode=runtime.decoder.decode_isolated if isolated else runtime.decoder.decode,
        )
    )
    fresh = [(item.digest, item.embedding) for item in outcomes if item.embedding is not None and item.digest]
    # Features before tasks: a task that names a digest always finds its embedding.
    runtime.features.put(backbone.id, fresh)
    metrics.IMAGES_EMBEDDED.inc(len(fresh))
    if note and outcomes:
        by_id = {task.task_id: task for task in tasks}
        with runtime.database.session() as session:
            session.connection().execute(_NOTE, [_values(item, by_id[item.key]) for item in outcomes])
    return outcomes


def _values(item: Embedded[int], task: Task) -> dict[str, Any]:
    row = {"of_project": task.project_id, "of_task": task.task_id, "of_image": task.image}
    row["attempts"] = task.attempts + 1
    if item.error is None:
        return {**row, "digest": item.digest, "failure": None, "failure_detail": None}
    note_failure(task.project_id, task.task_id, item.error)
    return {**row, "digest": None, "failure": item.error.reason, "failure_detail": str(item.error)}


def note_failure(project_id: int, task_id: int, error: ImageError) -> None:
    """Say in the log and the metrics why a task gets no prediction."""
    metrics.IMAGE_FAILURES.labels(error.reason).inc()
    log.warning("task %s of project %s has no readable image (%s): %s", task_id, project_id, error.reason, error)
