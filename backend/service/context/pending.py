"""Whether a job is under way: what it is about to do need not be asked for again."""

from __future__ import annotations

from sqlalchemy import select

from backend.service.context.context import Runtime
from backend.storage.schema import Job


def under_way(runtime: Runtime, project_id: int, kind: str) -> bool:
    """Whether a job of this kind waits or runs for the project."""
    query = select(Job.id).where(Job.project_id == project_id, Job.kind == kind, Job.status.in_(("queued", "running")))
    with runtime.database.session() as session:
        return session.scalar(query.limit(1)) is not None
