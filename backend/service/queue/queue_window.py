"""The queue window: the next tasks with their pre-annotations, published under a version of its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update

from backend import metrics
from backend.priority import Order
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import ControlBelief
from backend.service.queue.suggestion import pre_annotation, suggestion_text
from backend.storage.schema import Project, QueueItem
from backend.sync.publish import WindowItem, publish_window

log = logging.getLogger(__name__)

OUR_VERSIONS = re.compile(r"^(wordnet|propagation|head-\d+|adapted-\d+|fine-tuned-\d+)\.\d+$")


def window_score(position: int, size: int) -> float:
    """Published score of a place in the window: (0, 0.5], strictly increasing, since Label Studio serves the lowest first.

    Tasks beyond the window get their score from `beyond_score`, so that they always come after it.
    """
    return round(0.5 * (position + 1) / size, 8)


def beyond_score(priority: float) -> float:
    """Score of a task outside the window: (0.5, 1), lower = label sooner, after every place of the window."""
    return round(0.5001 + 0.4998 * (1.0 - min(max(priority, 0.0), 1.0)), 8)


def queue_items(
    project_id: int, version: str, pool: ProjectPool, order: Order, beliefs: Sequence[ControlBelief], size: int
) -> list[QueueItem]:
    """The first `size` places of the order as rows of the queue."""
    rows = order.rows[:size]
    controls = [control.space.control for control in pool.controls]
    return [
        QueueItem(
            project_id=project_id,
            version=version,
            position=place,
            task_id=int(pool.task_ids[row]),
            score=window_score(place, len(rows)),
            priority=float(order.priority[place]),
            components={name: round(float(values[place]), 4) for name, values in order.components.items()},
            reason=order.reasons[place],
            evaluation=bool(order.evaluation[place]),
            result=pre_annotation(controls, [belief.served[row] for belief in beliefs]),
            suggestion=suggestion_text(controls, [belief.served[row] for belief in beliefs]),
        )
        for place, row in enumerate(rows)
    ]


def current_window(runtime: Runtime, project: Project) -> list[QueueItem]:
    """The published window, in order."""
    query = select(QueueItem).where(QueueItem.project_id == project.id, QueueItem.version == project.published_version)
    with runtime.database.session() as session:
        return list(session.scalars(query.order_by(QueueItem.position)))


def same_window(old: Sequence[QueueItem], new: Sequence[QueueItem]) -> bool:
    """Whether two windows show people the same: the same tasks in the same order, pre-annotated alike."""
    return [(item.task_id, _choices(item)) for item in old] == [(item.task_id, _choices(item)) for item in new]


def _choices(item: QueueItem) -> list[Any]:
    return [part["value"] for part in item.result]


def store_window(runtime: Runtime, items: Sequence[QueueItem]) -> None:
    """Write the rows of a window; written again by a job that is repeated, they replace themselves."""
    if not items:
        return
    with runtime.database.session() as session:
        session.execute(
            delete(QueueItem).where(QueueItem.project_id == items[0].project_id, QueueItem.version == items[0].version)
        )
        session.add_all(items)


def publish(runtime: Runtime, project: Project, version: str, items: Sequence[QueueItem]) -> None:
    """Write the window to Label Studio where the backend pushes; predictions first, then the project's version."""
    client = runtime.label_studio
    if client is None:
        return
    stale = [name for name in client.model_versions(project.id) if OUR_VERSIONS.match(name) and name != version]
    report = publish_window(
        client,
        project.id,
        version,
        [WindowItem(task_id=item.task_id, result=item.result, score=item.score) for item in items],
        superseded=stale,
    )
    metrics.WINDOW_PUBLISHED.inc()
    log.info("project %s: window %s published: %s", project.id, version, report)


def mark_published(runtime: Runtime, project_id: int, version: str, snapshot: str) -> None:
    """From now on /predict answers with this window; older windows are forgotten."""
    with runtime.database.session() as session:
        session.execute(
            update(Project).where(Project.id == project_id).values(published_version=version, snapshot=snapshot)
        )
        session.execute(delete(QueueItem).where(QueueItem.project_id == project_id, QueueItem.version != version))
