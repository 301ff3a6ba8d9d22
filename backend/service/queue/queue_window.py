"""The queue window: the next tasks with their pre-annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.priority import Order
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import ControlPrediction
from backend.service.queue.suggestion import pre_annotation, suggestion_text
from backend.storage.schema import Project, QueueItem

FEW = 500  # tasks that are named to the database; of more it gives the whole window


def window_score(position: int, size: int) -> float:
    """Score of a place in a window that is not pushed: (0, 0.5], strictly increasing; Label Studio serves the lowest first.

    Tasks beyond the window get their score from `beyond_score`, so that they always come after it.
    """
    return round(0.5 * (position + 1) / size, 8)


def beyond_score(priority: float) -> float:
    """Score of a task outside the window: (0.5, 1), lower = label sooner, after every place of the window."""
    return round(0.5001 + 0.4998 * (1.0 - min(max(priority, 0.0), 1.0)), 8)


def queue_items(
    project_id: int, window: str, pool: ProjectPool, order: Order, predictions: Sequence[ControlPrediction], size: int
) -> list[QueueItem]:
    """The first `size` places of the order as rows of the queue, under the name of their window."""
    rows = order.rows[:size]
    controls = [control.space.control for control in pool.controls]
    return [
        QueueItem(
            project_id=project_id,
            version=window,
            position=place,
            task_id=int(pool.task_ids[row]),
            score=window_score(place, len(rows)),
            priority=float(order.priority[place]),
            components={name: round(float(values[place]), 4) for name, values in order.components.items()},
            reason=order.reasons[place],
            evaluation=bool(order.evaluation[place]),
            result=pre_annotation(controls, [prediction.served[row] for prediction in predictions]),
            suggestion=suggestion_text(controls, [prediction.served[row] for prediction in predictions]),
        )
        for place, row in enumerate(rows)
    ]


def current_window(runtime: Runtime, project: Project) -> list[QueueItem]:
    """The published window, in order."""
    query = select(QueueItem).where(QueueItem.project_id == project.id, QueueItem.version == project.snapshot)
    with runtime.database.session() as session:
        return list(session.scalars(query.order_by(QueueItem.position)))


def window_scores(runtime: Runtime, project: Project, task_ids: Sequence[int]) -> dict[int, float]:
    """The scores of those tasks that have a place in the published window."""
    wanted = set(task_ids)
    query = select(QueueItem.task_id, QueueItem.score).where(
        QueueItem.project_id == project.id, QueueItem.version == project.snapshot
    )
    if len(wanted) <= FEW:
        query = query.where(QueueItem.task_id.in_(sorted(wanted)))
    with runtime.database.session() as session:
        return {task_id: score for task_id, score in session.execute(query) if task_id in wanted}


def same_window(old: Sequence[QueueItem], new: Sequence[QueueItem]) -> bool:
    """Whether two windows show people the same: the same tasks in the same order, pre-annotated alike."""
    return [(item.task_id, _choices(item)) for item in old] == [(item.task_id, _choices(item)) for item in new]


def _choices(item: QueueItem) -> list[Any]:
    return [part["value"] for part in item.result]


def replace_window(session: Session, project_id: int, items: Sequence[QueueItem]) -> None:
    """From now on these are the places of the project's queue."""
    session.execute(delete(QueueItem).where(QueueItem.project_id == project_id))
    session.add_all(items)
