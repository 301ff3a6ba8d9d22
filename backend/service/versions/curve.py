"""The learning curve of a project: what was known of its accuracy with so many answers, kept point by point."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.learning.accuracy import AccuracyEstimate
from backend.service.context.context import Runtime
from backend.storage.schema import CurvePoint, now

APART = 1.03
"""Times as many answers as the point before from which a new one is kept; a few hundred points reach a million answers."""


def record_point(
    session: Session, runtime: Runtime, project_id: int, version: str, annotations: int, accuracy: AccuracyEstimate
) -> None:
    """Keep a point, unless one lies next to it; one with as many answers is replaced."""
    newest = session.scalar(select(func.max(CurvePoint.annotations)).where(CurvePoint.project_id == project_id)) or 0
    if newest < annotations < max(newest + 5, APART * newest):
        return
    values = {
        "version": version,
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "at": now(),
    }
    statement = runtime.database.insert(CurvePoint).values(project_id=project_id, annotations=annotations, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["project_id", "annotations"], set_=values))


def curve_points(runtime: Runtime, project_id: int) -> list[CurvePoint]:
    """The points of a project, fewest answers first."""
    query = select(CurvePoint).where(CurvePoint.project_id == project_id).order_by(CurvePoint.annotations)
    with runtime.database.session() as session:
        return list(session.scalars(query))
