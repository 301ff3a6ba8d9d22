"""Suggestions that left the queue are deleted hours later, when no annotator can hold one open any more."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import delete, select, update

from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.versions.registry import BUILT_IN, list_versions
from backend.storage.schema import Annotation, Project, SupersededVersion, now
from backend.sync.client import LabelStudioClient
from backend.sync.superseded import delete_of_unannotated_tasks, delete_version
from backend.sync.version_names import SupersededName, model_of

log = logging.getLogger(__name__)

DELETED_AT_ONCE = 50  # single deletions in one pass: a few seconds of Label Studio's time
HOUR = timedelta(hours=1)
CHECK_EVERY = timedelta(minutes=10)


def clean_periodically(runtime: Runtime, project_id: int) -> int:
    """As `clean_superseded`, but only once in CHECK_EVERY: a poll comes by far more often."""
    checked = find_project(runtime, project_id).superseded_checked_at
    if checked is not None and abs(now() - checked) < CHECK_EVERY:  # a clock may have been set back
        return 0
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(superseded_checked_at=now()))
    return clean_superseded(runtime, project_id)


def clean_superseded(runtime: Runtime, project_id: int) -> int:
    """Delete our suggestions that left the queue longer than SUPERSEDED_HOURS ago; returns how many.

    Two kinds leave it: single ones, whose name says the hour, and those of a model that no longer serves, or of a
    window of earlier releases, whose hour is kept here. Predictions of other origins are never touched.

    Raises:
        LabelStudioError: a call failed; the next pass goes on.
    """
    client = runtime.label_studio
    project = find_project(runtime, project_id)
    # A publication may be about to bring a model back: its predictions are looked at when that is over.
    if client is None or not project.published_version or runtime.jobs.pending(JobKind.REFRESH, project_id):
        return 0
    if project.missing_since is not None:  # what has its number now, if anything, is another project
        return 0
    ours = {*BUILT_IN, *(item.version for item in list_versions(runtime, project_id))}
    stored = [name for name in client.model_versions(project_id) if name and model_of(name) in ours]
    in_use = {project.published_version, client.project(project_id)["model_version"]}
    due_before = now() - timedelta(hours=runtime.settings.superseded_hours)
    left_singly = {name: single for name in stored if (single := SupersededName.parse(name))}
    left_together = [name for name in stored if name not in in_use and name not in left_singly]
    due = [name for name, single in left_singly.items() if single.hour + HOUR <= due_before]
    deleted = sum(delete_version(client, project_id, name, partial(_parents, runtime, project_id)) for name in due)
    for name in _due(_note(runtime, project_id, left_together), due_before):
        deleted += _delete(client, runtime, project_id, name)
    if deleted:
        log.info("project %s: %d suggestions that left the queue long ago are deleted", project_id, deleted)
    return deleted


def _parents(runtime: Runtime, project_id: int, predictions: Collection[int]) -> list[int]:
    """Those of some predictions that an annotation started from."""
    query = select(Annotation.parent_prediction).where(
        Annotation.project_id == project_id, Annotation.parent_prediction.in_(predictions)
    )
    with runtime.database.session() as session:
        return [found for found in session.scalars(query.distinct()) if found is not None]


def _note(runtime: Runtime, project_id: int, superseded: Sequence[str]) -> Mapping[str, datetime]:
    """Remember since when each of these versions is superseded; the ones still to be cleaned, with that time."""
    of_project = SupersededVersion.project_id == project_id
    with runtime.database.session() as session:
        session.execute(delete(SupersededVersion).where(of_project, SupersededVersion.version.not_in(superseded)))
        for name in superseded:
            insert = runtime.database.insert(SupersededVersion).values(project_id=project_id, version=name)
            session.execute(insert.on_conflict_do_nothing())
        rows = session.scalars(select(SupersededVersion).where(of_project, SupersededVersion.cleaned.is_(False)))
        return {row.version: row.since for row in rows}


def _due(since: Mapping[str, datetime], due_before: datetime) -> list[str]:
    return [name for name, moment in since.items() if moment <= due_before]


def _delete(client: LabelStudioClient, runtime: Runtime, project_id: int, name: str) -> int:
    deleted, finished = delete_of_unannotated_tasks(client, project_id, name, DELETED_AT_ONCE)
    if finished:
        query = update(SupersededVersion).where(
            SupersededVersion.project_id == project_id, SupersededVersion.version == name
        )
        with runtime.database.session() as session:
            session.execute(query.values(cleaned=True))
    return deleted
