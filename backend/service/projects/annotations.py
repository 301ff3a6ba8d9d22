"""Annotations, stored once whatever the order and number of their deliveries, and what they agree on.

The newest state of an annotation (by Label Studio's own `updated_at`) wins; a deletion is a tombstone that a late
delivery does not undo, while a later listing by Label Studio itself (a poll) does.
"""

from __future__ import annotations

import functools
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, false, inspect, or_, select, update
from sqlalchemy.orm import Session

from backend.labels import Control
from backend.service.projects.payloads import EPOCH, AnnotationState, read_annotation, stored_result
from backend.service.projects.suggestions import suggestion_columns
from backend.storage.database import Database
from backend.storage.schema import Annotation, now
from backend.storage.upsert import Upsert, insert_into

CHUNK = 500  # rows of a statement

log = logging.getLogger(__name__)


def record_annotations(
    session: Session,
    database: Database,
    project_id: int,
    annotations: Sequence[Mapping[str, Any]],
    *,
    listed_at: datetime | None = None,
    whatever_stamp: bool = False,
) -> int:
    """Store the states of annotations unless newer ones are known; how many changed.

    Args:
        annotations: columns by name, see `annotation_values`.
        listed_at: the states come from Label Studio's own listing, asked for at this moment: the annotations exist even
            if they were deleted here before; a deletion that was told since then is newer, and stays.
        whatever_stamp: the listing counts even where a newer state is known, unless that was told since.
    """
    rows = sorted(annotations, key=lambda values: values["annotation_id"])  # one order for all writers: no deadlock
    if not rows:
        return 0
    statement = _upsert(database.dialect)
    if listed_at is not None:
        contradicted: ColumnElement[bool] = Annotation.deleted.is_(True)
        if whatever_stamp:
            other_state = Annotation.updated_at != insert_into(Annotation, database.dialect).excluded.updated_at
            contradicted = or_(contradicted, other_state)
        statement = _upsert_where(database.dialect, contradicted & (Annotation.received_at < listed_at))
    found = session.connection().execute(statement, [{"project_id": project_id, **values} for values in rows])
    return found.rowcount


@functools.cache
def _upsert(dialect: str) -> Upsert:
    """Made once: making it takes longer than running it."""
    return _upsert_where(dialect, false())


def _upsert_where(dialect: str, revived: ColumnElement[bool]) -> Upsert:
    """A statement for rows one by one, so that of two states of an annotation in one call the newer wins as well."""
    statement = insert_into(Annotation, dialect)
    known = inspect(Annotation).columns
    replaced = {column.name: statement.excluded[column.name] for column in known if not column.primary_key}
    newer = (statement.excluded.updated_at > Annotation.updated_at) & Annotation.deleted.is_(False)
    return statement.on_conflict_do_update(
        index_elements=["project_id", "annotation_id"], set_=replaced, where=or_(newer, revived)
    )


def annotation_values(
    task_id: int, annotation: Mapping[str, Any], state: AnnotationState | None = None
) -> dict[str, Any]:
    """An annotation as Label Studio gives it, as columns of its row; all but the project.

    Args:
        state: the annotation as it was read, where it was.

    Raises:
        BackendError: `bad_annotation`, it cannot be read.
    """
    state = state or read_annotation(annotation)
    return {
        "annotation_id": state.id,
        "task_id": task_id,
        "result": list(annotation.get("result") or []),
        "was_cancelled": state.was_cancelled,
        "ground_truth": state.ground_truth,
        "completed_by": state.completed_by,
        "updated_at": state.updated_at,
        "deleted": False,
        "received_at": now(),
        "created_at": state.created_at,
        "parent_prediction": state.parent_prediction,
        **suggestion_columns(state),
    }


def record_deletions(session: Session, database: Database, project_id: int, annotation_ids: Iterable[int]) -> bool:
    """Mark annotations as deleted, also those that were never seen; True if something changed."""
    changed = False
    ids = sorted(set(annotation_ids))
    for start in range(0, len(ids), CHUNK):
        tombstone = {"project_id": project_id, "deleted": True, "updated_at": EPOCH}
        rows = [{**tombstone, "annotation_id": annotation_id} for annotation_id in ids[start : start + CHUNK]]
        statement = database.insert_rows(Annotation, rows)
        statement = statement.on_conflict_do_update(
            index_elements=["project_id", "annotation_id"],
            set_={"deleted": True, "received_at": now()},
            where=Annotation.deleted.is_(False),
        )
        changed |= session.execute(statement).rowcount > 0  # type: ignore[attr-defined]
    return changed


def record_task_deletions(session: Session, project_id: int, task_ids: Sequence[int]) -> None:
    """Mark the annotations of deleted tasks as deleted."""
    for start in range(0, len(task_ids), CHUNK):
        chunk = task_ids[start : start + CHUNK]
        session.execute(
            update(Annotation)
            .where(Annotation.project_id == project_id, Annotation.task_id.in_(chunk))
            .values(deleted=True)
        )


def taken_back(session: Session, project_id: int, since: datetime | None, most: int) -> list[int]:
    """Tasks of which an annotation was deleted, or became a skip, since the order of then; None: there was none.

    One that nobody else answered is in Label Studio's queue again, at the place that its prediction had: what was answered
    last had the first ones.

    Args:
        most: of that many annotations, those answered last.
    """
    if since is None:
        return []
    query = select(Annotation.task_id).where(
        Annotation.project_id == project_id,
        Annotation.received_at >= since,
        Annotation.task_id.is_not(None),
        or_(Annotation.deleted, Annotation.was_cancelled),
    )
    newest = query.order_by(Annotation.updated_at.desc(), Annotation.annotation_id.desc()).limit(most)
    return [task for task in dict.fromkeys(session.scalars(newest)) if task is not None]


def live_annotations(session: Session, project_id: int) -> dict[int, list[Annotation]]:
    """The annotations that exist, by task, oldest first; one whose result cannot be read is left out and logged."""
    query = (
        select(Annotation)
        .where(Annotation.project_id == project_id, Annotation.deleted.is_(False), Annotation.task_id.is_not(None))
        .order_by(Annotation.updated_at, Annotation.annotation_id)
    )
    by_task: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in session.scalars(query):
        fault = stored_result(annotation.result)
        if fault is not None:
            log.warning(
                "annotation %d of task %s, project %d is left out: %s",
                annotation.annotation_id,
                annotation.task_id,
                project_id,
                fault,
            )
        elif annotation.task_id is not None:
            by_task[annotation.task_id].append(annotation)
    return dict(by_task)


def agreed_target(annotations: Sequence[Annotation], control: Control) -> NDArray[np.float32] | None:
    """What the annotators of one task agree on for one control.

    Ground truth wins over all others; else the label set that most annotators chose; of equals the newest.

    Args:
        annotations: of one task, oldest first.
        control: the control that is asked about.

    Returns: float32 [L] in [0, 1] as `Control.targets` gives it; None if all skipped, or none used this control.
    """
    votes = [item for item in annotations if not item.was_cancelled]
    certain = [item for item in votes if item.ground_truth]
    counts: dict[bytes, int] = defaultdict(int)
    newest: dict[bytes, int] = {}
    targets: dict[bytes, NDArray[np.float32]] = {}
    for age, annotation in enumerate(certain or votes):
        target = control.targets(annotation.result)
        if target is None:
            continue
        key = target.tobytes()
        counts[key] += 1
        newest[key] = age
        targets[key] = target
    if not counts:
        return None
    return targets[max(counts, key=lambda key: (counts[key], newest[key]))]
