"""What people override in the queue: a photo goes before all others, or after them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.errors import NotFoundError
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.storage.schema import QueueOverride, Task, now

Position = Literal["first", "last", "none"]


def override_queue(runtime: Runtime, project_id: int, tasks: Sequence[int], position: Position) -> str:
    """Put photos `first` or `last` in the queue, or take that back with `none`, and order it anew.

    Returns: the id of the refresh job.

    Raises:
        NotFoundError: the project has no such task.
    """
    with runtime.database.session() as session:
        known = set(session.scalars(select(Task.task_id).where(Task.project_id == project_id, Task.task_id.in_(tasks))))
        if missing := sorted(set(tasks) - known):
            raise NotFoundError(f"Project {project_id} has no task {missing[0]}.")
        session.execute(
            delete(QueueOverride).where(QueueOverride.project_id == project_id, QueueOverride.task_id.in_(tasks))
        )
        if position != "none":
            stamp = now()
            session.add_all(
                QueueOverride(project_id=project_id, task_id=task, wish=position, at=stamp)
                for task in dict.fromkeys(tasks)
            )
    return runtime.jobs.enqueue(JobKind.REFRESH, project_id)


def pushed_first(session: Session, project_id: int) -> dict[int, datetime]:
    """Tasks that somebody wants answered first, and since when."""
    query = select(QueueOverride.task_id, QueueOverride.at).where(
        QueueOverride.project_id == project_id, QueueOverride.wish == "first"
    )
    return {row.task_id: row.at for row in session.execute(query)}


def queue_overrides(runtime: Runtime, project_id: int) -> dict[int, str]:
    """Task -> `first` or `last`, the newest first."""
    query = select(QueueOverride.task_id, QueueOverride.wish).where(QueueOverride.project_id == project_id)
    with runtime.database.session() as session:
        found = session.execute(query.order_by(QueueOverride.at.desc(), QueueOverride.task_id))
        return {row.task_id: row.wish for row in found}
