"""Tasks as they are known here: which image they show, and whether it could be read."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from backend.errors import ImageError
from backend.labels import LabelConfig
from backend.service.projects.annotations import record_task_deletions
from backend.service.projects.labels import keep_options
from backend.storage.database import Database
from backend.storage.schema import Feature, QueueItem, Task
from backend.storage.upsert import Upsert, insert_into

CHUNK = 500


def record_tasks(
    session: Session, database: Database, project_id: int, config: LabelConfig, tasks: Iterable[Mapping[str, Any]]
) -> int:
    """Store tasks; one whose image value changed is to be read anew. Returns how many are new or changed."""
    by_id = {int(task["id"]): dict(task.get("data") or {}) for task in tasks}
    rows = [_row(project_id, task_id, by_id[task_id], config) for task_id in sorted(by_id)]  # one order: no deadlock
    keep_options(session, project_id, config, by_id.values())
    if not rows:
        return 0
    return session.connection().execute(_upsert(database.dialect), rows).rowcount


@functools.cache
def _upsert(dialect: str) -> Upsert:
    """Made once: making it takes longer than running it."""
    statement = insert_into(Task, dialect)
    return statement.on_conflict_do_update(
        index_elements=["project_id", "task_id"],
        set_={
            "data": statement.excluded.data,
            "image": statement.excluded.image,
            "digest": None,
            "failure": statement.excluded.failure,
            "failure_detail": statement.excluded.failure_detail,
            "attempts": 0,
            "created_at": statement.excluded.created_at,  # to be read like a new one, whatever was cancelled before
        },
        where=Task.image != statement.excluded.image,
    )


def _row(project_id: int, task_id: int, data: dict[str, Any], config: LabelConfig) -> dict[str, Any]:
    image, fault = _image_of(config, data)
    return {
        "project_id": project_id,
        "task_id": task_id,
        "data": data,
        "image": image,
        "failure": fault.reason if fault else None,
        "failure_detail": str(fault) if fault else None,
    }


def _image_of(config: LabelConfig, data: Mapping[str, Any]) -> tuple[str, ImageError | None]:
    try:
        return str(data[config.image_key(data)]), None
    except ImageError as error:
        return "", error


def forget_tasks(session: Session, project_id: int, task_ids: Sequence[int]) -> None:
    """Forget tasks that Label Studio deleted; their features stay, another task may show the same image."""
    record_task_deletions(session, project_id, task_ids)
    for start in range(0, len(task_ids), CHUNK):
        chunk = task_ids[start : start + CHUNK]
        session.execute(delete(Task).where(Task.project_id == project_id, Task.task_id.in_(chunk)))
        session.execute(delete(QueueItem).where(QueueItem.project_id == project_id, QueueItem.task_id.in_(chunk)))


def pending_tasks(session: Session, project_id: int, limit: int) -> list[Task]:
    """Tasks whose image was not read yet, oldest first."""
    query = (
        select(Task)
        .where(Task.project_id == project_id, Task.digest.is_(None), Task.failure.is_(None))
        .order_by(Task.task_id)
        .limit(limit)
    )
    return list(session.scalars(query))


def read_tasks(session: Session, project_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Tasks behind the id `after` whose image was read, with its digest; in the order of their ids."""
    query = select(Task.task_id, Task.digest).where(
        Task.project_id == project_id, Task.task_id > after, Task.digest.is_not(None)
    )
    rows = session.execute(query.order_by(Task.task_id).limit(limit))
    return [(task_id, digest) for task_id, digest in rows if digest is not None]


def tasks_by_id(session: Session, project_id: int, task_ids: Sequence[int]) -> list[Task]:
    """At most `CHUNK` tasks; one that was deleted is left out."""
    return list(session.scalars(select(Task).where(Task.project_id == project_id, Task.task_id.in_(task_ids))))


def count_unseen(session: Session, project_id: int, backbone_id: str) -> int:
    """How many tasks with a read image this backbone has not embedded.

    Two seconds for a million tasks in SQLite, so it is not asked without a reason.
    """
    seen = select(Feature.digest).where(Feature.digest == Task.digest, Feature.backbone == backbone_id).exists()
    query = select(func.count()).select_from(Task)
    return session.scalar(query.where(Task.project_id == project_id, Task.digest.is_not(None), ~seen)) or 0


def count_tasks(session: Session, project_id: int) -> dict[str, int]:
    """How many tasks there are: total, embedded, failed, pending."""
    return count_all_tasks(session, project_id)[project_id]


def count_all_tasks(session: Session, project_id: int | None = None) -> dict[int, dict[str, int]]:
    """As `count_tasks`, of one project or of each that has tasks, in one query; zeros for those that have none."""
    query = select(Task.project_id, func.count(), func.count(Task.digest), func.count(Task.failure))
    if project_id is not None:
        query = query.where(Task.project_id == project_id)
    counts: dict[int, dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(("total", "embedded", "failed", "pending"), 0)
    )
    for project, total, embedded, failed in session.execute(query.group_by(Task.project_id)):
        pending = total - embedded - failed
        counts[project] = {"total": total, "embedded": embedded, "failed": failed, "pending": pending}
    return counts


def newest_task(session: Session, project_id: int) -> tuple[int, int]:
    """How many tasks a project has, and the highest id among them (0 where it has none)."""
    query = select(func.count(), func.coalesce(func.max(Task.task_id), 0)).where(Task.project_id == project_id)
    count, newest = session.execute(query).one()
    return count, newest


def task_ids(session: Session, project_id: int) -> frozenset[int]:
    """The ids of all tasks of a project; a second and 100 MB for a million."""
    return frozenset(session.scalars(select(Task.task_id).where(Task.project_id == project_id)))


def fewest_attempts(session: Session, project_id: int, reasons: Sequence[str], attempts: int) -> int | None:
    """How often those tasks were tried least that `retry_failures` would make pending; None: there are none."""
    query = select(func.min(Task.attempts)).where(
        Task.project_id == project_id, Task.failure.in_(reasons), Task.attempts < attempts
    )
    return session.scalar(query)


def retry_failures(session: Session, project_id: int, reasons: Sequence[str], attempts: int) -> int:
    """Make tasks pending again that failed for a passing reason fewer than `attempts` times."""
    statement = (
        update(Task)
        .where(Task.project_id == project_id, Task.failure.in_(reasons), Task.attempts < attempts)
        .values(failure=None, failure_detail=None)
    )
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]
