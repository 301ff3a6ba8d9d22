"""What was pulled from Label Studio is stored: tasks, all annotations that they have now, and which of them are gone."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import BackendError
from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.projects.annotations import annotation_values, record_annotations, record_deletions
from backend.service.projects.tasks import record_tasks
from backend.storage.schema import Annotation
from backend.sync.pull import PulledPage

log = logging.getLogger(__name__)


def take_in(
    runtime: Runtime,
    project_id: int,
    config: LabelConfig,
    page: PulledPage,
    read_at: datetime,
    *,
    whatever_stamp: bool = False,
) -> tuple[int, int]:
    """Store a page; how many of its tasks, and how many annotations, are new or changed.

    Args:
        read_at: when the page was asked for: what a webhook brought since then is newer.
        whatever_stamp: of a Label Studio that is not the one read before: its state counts even if a newer one is known.
    """
    changed = 0
    with runtime.database.session() as session:
        tasks = record_tasks(session, runtime.database, project_id, config, page.tasks)
        states = []
        for annotation in page.annotations:
            try:
                states.append(annotation_values(int(annotation["task"]), annotation))
            except (BackendError, KeyError, TypeError, ValueError) as error:
                log.warning("an annotation of project %s is left out: %s", project_id, error)
        changed += record_annotations(
            session, runtime.database, project_id, states, listed_at=read_at, whatever_stamp=whatever_stamp
        )
        vanished = _vanished(session, project_id, page, read_at)
        changed += record_deletions(session, runtime.database, project_id, vanished)
    return tasks, changed


def _vanished(session: Session, project_id: int, page: PulledPage, read_at: datetime) -> list[int]:
    """Annotations known for the tasks of a page that Label Studio no longer lists.

    One that a webhook brought after the page was read is newer than the page, and stays.
    """
    listed = {int(annotation["id"]) for annotation in page.annotations}
    query = select(Annotation.annotation_id).where(
        Annotation.project_id == project_id,
        Annotation.task_id.in_(page.task_ids),
        Annotation.deleted.is_(False),
        Annotation.received_at < read_at,
    )
    return [found for found in session.scalars(query) if found not in listed]
