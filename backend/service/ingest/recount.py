"""Finds what no poll by time stamps brings: Label Studio counts its tasks and annotations, and so is done here.

A change is stamped before it is committed. Where that takes longer than a poll looks back (a long import), and its event
was lost, the change stays behind the polls for ever; so does whatever was restored or removed in Label Studio's database
itself. Its counts tell. People work while they are asked for, so counts that differ twice in a row in the same way are
looked into, and each such difference once: some may stay, as that of an annotation that cannot be read.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.ingest.taking_in import take_in
from backend.service.projects.tasks import forget_tasks, newest_task, task_ids
from backend.storage.schema import Annotation, Project, Task, now
from backend.sync.client import LabelStudioClient
from backend.sync.pull import TaskDifference, has_all_tasks, pull_tasks, task_difference

log = logging.getLogger(__name__)

NAMES = {
    "tasks": "task_number",
    "annotations": "total_annotations_number",
    "skips": "skipped_annotations_number",
}
"""What is counted, and how Label Studio calls it."""

IDS_PAGE = 5000

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Found:
    """What a recount brought: new or changed tasks, changed annotations, deleted tasks."""

    tasks: int = 0
    annotations: int = 0
    gone: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.tasks + other.tasks, self.annotations + other.annotations, self.gone + other.gone)


def read_by_number(client: LabelStudioClient, runtime: Runtime, project_id: int, config: LabelConfig) -> Found:
    """Forget the tasks that Label Studio has no more, and read those below the newest known that no pull gave.

    Raises:
        LabelStudioError: a call failed; the next poll begins again.
    """
    with runtime.database.session() as session:
        count, newest = newest_task(session, project_id)
    if has_all_tasks(client, project_id, count, newest):
        return Found()
    with runtime.database.session() as session:
        known = task_ids(session, project_id)
    difference = task_difference(client, project_id, known)
    if difference.unread:
        log.warning("project %s: %d tasks are read that came without news", project_id, len(difference.unread))
    return _bring(client, runtime, project_id, config, difference)


def settle_counts(
    client: LabelStudioClient, runtime: Runtime, project_id: int, config: LabelConfig, listed: Mapping[str, Any]
) -> Found:
    """Compare Label Studio's counts with ours after a pull, and look for what is missing where that is due.

    Args:
        listed: the project as Label Studio gave it before the pull.

    Raises:
        LabelStudioError: a call failed; the next poll begins again.
    """
    with runtime.database.session() as session:
        known = session.get_one(Project, project_id).counts_apart
        here = _counted_here(session, project_id)
    settled, seen = known.get("settled", {}), known.get("seen")
    apart = _apart(listed, here, here)
    if not _differs(apart, settled):
        if seen is not None:
            _keep(runtime, project_id, settled, None)
        return Found()
    apart = _measured(client, runtime, project_id)
    if not _differs(apart, settled) or apart != seen:
        _keep(runtime, project_id, settled, apart if _differs(apart, settled) else None)
        return Found()
    log.warning("project %s: Label Studio counts otherwise, by %s: every task is looked at", project_id, dict(apart))
    found = _look_for_missing(client, runtime, project_id, config)
    _keep(runtime, project_id, _measured(client, runtime, project_id), None)
    return found


def _measured(client: LabelStudioClient, runtime: Runtime, project_id: int) -> dict[str, int]:
    """How far the counts are apart now; changes that are told while Label Studio counts make no difference."""
    with runtime.database.session() as session:
        before = _counted_here(session, project_id)
    listed = client.project(project_id)
    with runtime.database.session() as session:
        after = _counted_here(session, project_id)
    return _apart(listed, before, after)


def _apart(listed: Mapping[str, Any], before: Counts, after: Counts) -> dict[str, int]:
    """By how many each count of Label Studio is outside of ours before and after; what it does not count is left out."""
    apart = {}
    for name, theirs in NAMES.items():
        there = listed.get(theirs)
        if isinstance(there, int):
            low, high = sorted((before[name], after[name]))
            apart[name] = there - min(max(there, low), high)
    return apart


def _differs(apart: Counts, settled: Counts) -> bool:
    return any(by != settled.get(name, 0) for name, by in apart.items())


def _counted_here(session: Session, project_id: int) -> dict[str, int]:
    tasks = session.scalar(select(func.count()).select_from(Task).where(Task.project_id == project_id))
    query = (
        select(Annotation.was_cancelled, func.count())
        .where(Annotation.project_id == project_id, Annotation.deleted.is_(False))
        .group_by(Annotation.was_cancelled)
    )
    annotations = {bool(skipped): count for skipped, count in session.execute(query)}
    return {"tasks": tasks or 0, "annotations": annotations.get(False, 0), "skips": annotations.get(True, 0)}


def _keep(runtime: Runtime, project_id: int, settled: Counts, seen: Counts | None) -> None:
    """Remember which differences were looked into, and which one was seen for the first time."""
    value = {"settled": dict(settled)} | ({} if seen is None else {"seen": dict(seen)})
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(counts_apart=value))


def _look_for_missing(client: LabelStudioClient, runtime: Runtime, project_id: int, config: LabelConfig) -> Found:
    """Go through the ids and counts of all tasks; those that differ are pulled, those that are gone forgotten."""
    with runtime.database.session() as session:
        known = task_ids(session, project_id)
        annotated = _counts_by_task(session, project_id)
    present, differ = set(), []
    for task in client.iter_tasks(project_id, page_size=IDS_PAGE, fields="counts"):
        present.add(task["id"])
        theirs = (task["total_annotations"], task["cancelled_annotations"])
        if task["id"] not in known or theirs != annotated.get(task["id"], (0, 0)):
            differ.append(task["id"])
    difference = TaskDifference(frozenset(known - present), frozenset(differ))
    return _bring(client, runtime, project_id, config, difference)


def _bring(
    client: LabelStudioClient, runtime: Runtime, project_id: int, config: LabelConfig, difference: TaskDifference
) -> Found:
    """Forget what is gone, and read what was not read."""
    if difference.gone:
        with runtime.database.session() as session:
            forget_tasks(session, project_id, sorted(difference.gone))
    tasks = annotations = 0
    asked_at = now()
    for page in pull_tasks(client, project_id, difference.unread):
        changed = take_in(runtime, project_id, config, page, asked_at)
        asked_at = now()
        tasks, annotations = tasks + changed[0], annotations + changed[1]
    return Found(tasks, annotations, len(difference.gone))


def _counts_by_task(session: Session, project_id: int) -> dict[int, tuple[int, int]]:
    """How many annotations and skips are known of each task that has any."""
    query = (
        select(Annotation.task_id, Annotation.was_cancelled, func.count())
        .where(Annotation.project_id == project_id, Annotation.deleted.is_(False), Annotation.task_id.is_not(None))
        .group_by(Annotation.task_id, Annotation.was_cancelled)
    )
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for task, skipped, count in session.execute(query):
        if task is not None:
            counts[task][bool(skipped)] += count
    return {task: (answers, skips) for task, (answers, skips) in counts.items()}
