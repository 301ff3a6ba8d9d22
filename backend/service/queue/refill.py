"""Refilling the window by the order that is known already, before a new one is worked out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, update

from backend.errors import BackendError
from backend.priority.asked_first import BY_SCORE
from backend.service.context.context import Runtime
from backend.service.pool.current import current_snapshot
from backend.service.pool.snapshot import Snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.tasks import CHUNK
from backend.service.queue.queue_window import current_window
from backend.service.queue.suggestion import pre_annotation, suggestion_text
from backend.storage.schema import Annotation, Project, QueueItem, Task
from backend.sync.placing import place_scores
from backend.sync.storing import store_predictions

log = logging.getLogger(__name__)

LOW = 0.5  # of the window: with fewer places left unanswered, more are added at once


def refill_window(runtime: Runtime, project: Project, size: int) -> int:
    """Add the next places of the known order where few of the window are left; returns how many.

    None of what it costs Label Studio waits for a new order. The places are written down first, and the window
    counts as unsettled: should the call be lost, the next publication makes up for it.

    Args:
        size: places that the window should have.

    Raises:
        LabelStudioError: a call failed.
    """
    client = runtime.label_studio
    if client is None or not project.published_version or not project.snapshot:
        return 0
    window = current_window(runtime, project)
    left = _unanswered(runtime, project.id, window)
    if left >= LOW * size:
        return 0
    try:
        snapshot = current_snapshot(runtime, project)
    except BackendError:  # its labels changed, or it is damaged: the order that follows is the first one for them
        return 0
    rows = _following(runtime, project.id, snapshot, window, size - left)
    items = _items(runtime, project, snapshot, window, rows)
    if not items:
        return 0
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project.id).values(window_settled=False))
        session.add_all(items)
    stored = [
        {"task": item.task_id, "result": item.result, "score": item.score, "model_version": project.published_version}
        for item in items
    ]
    store_predictions(client, project.id, stored, tasks=snapshot.task_ids.size)
    log.info("project %s: %d of %d places are left, %d are added", project.id, left, len(window), len(items))
    return len(items)


def _unanswered(runtime: Runtime, project_id: int, window: Sequence[QueueItem]) -> int:
    """Places of the window that nobody answered, as far as is known here."""
    answered = select(func.count(Annotation.task_id.distinct())).where(
        Annotation.project_id == project_id,
        Annotation.deleted.is_(False),
        Annotation.task_id.in_([item.task_id for item in window]),
    )
    with runtime.database.session() as session:
        return len(window) - session.scalars(answered).one()


def _following(
    runtime: Runtime, project_id: int, snapshot: Snapshot, window: Sequence[QueueItem], count: int
) -> NDArray[np.intp]:
    """Rows of the snapshot that come next: neither in the window nor answered, and still there."""
    annotated = select(Annotation.task_id).where(Annotation.project_id == project_id, Annotation.deleted.is_(False))
    kept: list[int] = []
    with runtime.database.session() as session:
        taken = np.array([*session.scalars(annotated), *(item.task_id for item in window)], dtype=np.int64)
        free = np.flatnonzero(~np.isin(snapshot.task_ids, taken))
        following = free[np.argsort(-np.asarray(snapshot.priority)[free], kind="stable")]
        for start in range(0, following.size, CHUNK):  # the first ones may have been deleted since
            part = following[start : start + CHUNK]
            known = select(Task.task_id).where(
                Task.project_id == project_id,
                Task.digest.is_not(None),
                Task.task_id.in_(snapshot.task_ids[part].tolist()),
            )
            there = list(session.scalars(known))
            kept += part[np.isin(snapshot.task_ids[part], there)].tolist()
            if len(kept) >= count:
                break
    return np.array(kept[:count], dtype=np.intp)


def _items(
    runtime: Runtime, project: Project, snapshot: Snapshot, window: Sequence[QueueItem], rows: NDArray[np.intp]
) -> list[QueueItem]:
    """The rows as places behind those of the window; none where no scores are free behind it."""
    before = [item.score for item in window]
    scores = place_scores([*before, *[None] * rows.size])
    if scores[: len(before)] != before:
        return []
    controls = [space.control for space in labels_of(runtime, project).spaces]
    members = None if snapshot.sample is None else snapshot.sample.members
    first = window[-1].position + 1 if window else 0  # places of deleted tasks are missing: counting them would not do
    items = []
    for place, (row, score) in enumerate(zip(rows, scores[len(before) :], strict=True)):
        believed = [np.asarray(control.probabilities[row], dtype=np.float32) for control in snapshot.controls]
        items.append(
            QueueItem(
                project_id=project.id,
                version=project.snapshot,
                position=first + place,
                task_id=int(snapshot.task_ids[row]),
                score=score,
                priority=float(snapshot.priority[row]),
                components={},
                reason=BY_SCORE,
                evaluation=bool(members is not None and members[row]),
                result=pre_annotation(controls, believed),
                suggestion=suggestion_text(controls, believed),
            )
        )
    return items
