"""What people wish of the queue: a photo before all others, or after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import delete, select

from backend.errors import NotFoundError
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.storage.schema import QueueWish, Task, now

Wish = Literal["first", "last", "none"]


def wish(runtime: Runtime, project_id: int, tasks: Sequence[int], wanted: Wish) -> str:
    """Note a wish and order the queue anew; `none` takes a wish back. Returns the refresh job's id.

    Raises:
        NotFoundError: the project has no such task.
    """
    with runtime.database.session() as session:
        known = set(session.scalars(select(Task.task_id).where(Task.project_id == project_id, Task.task_id.in_(tasks))))
        if missing := sorted(set(tasks) - known):
            raise NotFoundError(f"Project {project_id} has no task {missing[0]}.")
        session.execute(delete(QueueWish).where(QueueWish.project_id == project_id, QueueWish.task_id.in_(tasks)))
        if wanted != "none":
            stamp = now()
            session.add_all(
                QueueWish(project_id=project_id, task_id=task, wish=wanted, at=stamp) for task in dict.fromkeys(tasks)
            )
    return runtime.jobs.enqueue(JobKind.REFRESH, project_id)


def wishes(runtime: Runtime, project_id: int) -> dict[int, str]:
    """Task -> `first` or `last`, the newest wish first."""
    query = select(QueueWish.task_id, QueueWish.wish).where(QueueWish.project_id == project_id)
    with runtime.database.session() as session:
        found = session.execute(query.order_by(QueueWish.at.desc(), QueueWish.task_id))
        return {row.task_id: row.wish for row in found}
