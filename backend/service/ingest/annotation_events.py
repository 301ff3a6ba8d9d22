"""Annotations as events bring them: those of any number of events in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from backend.errors import BackendError, LabelConfigError
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.ingest.event_parts import EventOutcome, Payload, listed, readable
from backend.service.projects.annotations import annotation_values, record_annotations
from backend.service.projects.payloads import is_row_id, read_annotation, read_task
from backend.service.projects.project import Description, project_id_of, read_project, set_up_described
from backend.service.projects.tasks import record_tasks
from backend.storage.schema import Project

log = logging.getLogger(__name__)

ANNOTATED = frozenset(("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED"))
"""The actions of such events."""


@dataclass(frozen=True)
class _Said:
    """What an event says: tasks with their data, annotations as columns, and why some of it is left out."""

    project: Project
    tasks: list[Payload]
    annotations: list[dict[str, Any]]
    rejected: tuple[str, ...]


def store_annotated(
    runtime: Runtime, payloads: Sequence[Payload], *, again: bool = False
) -> list[EventOutcome | Exception]:
    """Store the annotations of events, and ask for one refresh of each project that they change; what came of each.

    One that cannot be used has its error in the place of an outcome, and the others are stored.

    Args:
        again: an earlier attempt failed, maybe after it stored and before it asked: ask even if nothing changes.
    """
    projects = _Projects(runtime)
    read = [_read(projects, payload) for payload in payloads]
    of_project: dict[int, list[_Said]] = {}
    for said in read:
        if isinstance(said, _Said):
            of_project.setdefault(said.project.id, []).append(said)
    changed = _store(runtime, of_project)
    changed = list(of_project) if again else changed
    jobs = {
        project_id: {str(JobKind.REFRESH): runtime.jobs.enqueue(JobKind.REFRESH, project_id)} for project_id in changed
    }
    return [
        EventOutcome(said.project.id, jobs.get(said.project.id, {}), said.rejected) if isinstance(said, _Said) else said
        for said in read
    ]


class _Projects:
    """Sets up the projects of events; what events that follow each other say alike of one costs one transaction."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._latest: dict[int, tuple[Description, Project]] = {}

    def of(self, payload: Payload) -> Project:
        said = read_project(payload.get("project"))
        known = self._latest.get(said.id)
        if known is None or known[0] != said:
            known = said, set_up_described(self._runtime, said)
            self._latest[said.id] = known
        return known[1]


def _read(projects: _Projects, payload: Payload) -> _Said | EventOutcome | BackendError:
    try:
        return _said(projects.of(payload), payload)
    except LabelConfigError as error:
        project_id = project_id_of(payload.get("project"))
        log.warning("an annotation of project %s is ignored: %s", project_id, error)
        return EventOutcome(project_id, {})
    except BackendError as error:
        return error


def _said(project: Project, payload: Payload) -> _Said:
    rejected: list[str] = []
    tasks = {state.id: item for item, state in readable(listed(payload.get("task")), read_task, rejected)}
    annotations = []
    for item, state in readable(listed(payload.get("annotation")), read_annotation, rejected):
        task_id = _task_of(item, tasks)
        if task_id is None:
            rejected.append(f"Annotation {state.id} names no task.")
        else:
            annotations.append(annotation_values(task_id, item, state))
    if not annotations:
        raise BackendError(rejected[0] if rejected else "The event holds no annotation.", reason="bad_event")
    named = dict.fromkeys(values["task_id"] for values in annotations)
    shown = [tasks[task_id] for task_id in named if task_id in tasks and tasks[task_id].get("data")]
    return _Said(project, shown, annotations, tuple(rejected))


def _task_of(annotation: Payload, tasks: Mapping[int, Payload]) -> int | None:
    """The task of an annotation: the one it names, else the only one of the event."""
    named = annotation.get("task")
    named = named.get("id") if isinstance(named, Mapping) else named
    if named is None and len(tasks) == 1:
        return next(iter(tasks))
    return named if is_row_id(named) else None


def _store(runtime: Runtime, of_project: Mapping[int, Iterable[_Said]]) -> list[int]:
    """The projects in which something changed."""
    changed = []
    with runtime.durable.session() as session:
        for project_id in sorted(of_project):  # one order for all writers: no deadlock
            events = list(of_project[project_id])
            label_config = events[-1].project.label_config
            if label_config:
                config = runtime.labels.parse(label_config)
                tasks = chain.from_iterable(said.tasks for said in events)
                record_tasks(session, runtime.database, project_id, config, tasks)
            annotations = list(chain.from_iterable(said.annotations for said in events))
            if record_annotations(session, runtime.database, project_id, annotations):
                changed.append(project_id)
    return changed
