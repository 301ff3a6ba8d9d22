"""Whether a training is due: enough answers since the last one, and since a person cancelled one."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import func, select, update

from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.projects.options import ProjectOptions
from backend.service.projects.project import find_project
from backend.storage.schema import Annotation, Project

log = logging.getLogger(__name__)


def ask_for_training(runtime: Runtime, project_id: int, options: ProjectOptions, annotated: int) -> None:
    """Ask for a training once enough is new; while one waits or runs, the refresh that follows it looks again."""
    if runtime.jobs.pending(JobKind.TRAIN, project_id):
        return
    known = _known_to_the_last(runtime, project_id, annotated)
    new = annotated - known
    cancelled = runtime.jobs.cancelled_at(JobKind.TRAIN, project_id)
    if cancelled is not None:  # not at once the one again that a person cancelled
        new = min(new, _answered_since(runtime, project_id, cancelled))
    if new >= options.retrain_every:
        log.info("project %s: %d new annotations, retraining", project_id, new)
        runtime.jobs.enqueue(JobKind.TRAIN, project_id)


def _known_to_the_last(runtime: Runtime, project_id: int, annotated: int) -> int:
    """Of how many of the answers that there are now the last training knew: those that were deleted since count no more."""
    known = find_project(runtime, project_id).trained_annotations
    if annotated >= known:
        return known
    fewer = update(Project).where(Project.id == project_id, Project.trained_annotations == known)
    with runtime.database.session() as session:  # not where another training ended meanwhile
        session.execute(fewer.values(trained_annotations=annotated))
    return annotated


def _answered_since(runtime: Runtime, project_id: int, when: datetime) -> int:
    answered = select(func.count(func.distinct(Annotation.task_id))).where(
        Annotation.project_id == project_id, Annotation.deleted.is_(False), Annotation.received_at > when
    )
    with runtime.database.session() as session:
        return session.scalar(answered) or 0
