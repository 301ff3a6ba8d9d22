"""What each of Label Studio's webhook events changes here. Every event may come late, twice, out of order, or never."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.errors import BackendError, LabelConfigError
from backend.jobs.kinds import JobKind
from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.projects.annotations import record_annotation, record_deletions
from backend.service.projects.project import project_id_of, set_up_from_payload
from backend.service.projects.tasks import forget_tasks, record_tasks
from backend.storage.schema import Project

log = logging.getLogger(__name__)

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class EventOutcome:
    """What an event led to: the jobs that were asked for, by kind."""

    project_id: int
    jobs: dict[str, str]


def handle_event(runtime: Runtime, action: str, payload: Payload) -> EventOutcome:
    """Store what an event says and ask for the jobs that follow; takes milliseconds.

    An unknown action changes nothing: a newer Label Studio may send more than is known here.

    Raises:
        NotFoundError: the payload names no project.
    """
    project_id = project_id_of(payload.get("project"))
    try:
        project = set_up_from_payload(runtime, payload.get("project"))
    except LabelConfigError as error:
        log.warning("%s of project %s is ignored: %s", action, project_id, error)
        return EventOutcome(project_id, {})
    handler = _HANDLERS.get(action)
    if handler is None:
        log.info("event %s of project %s is not known and changes nothing", action, project_id)
        return EventOutcome(project_id, {})
    kinds = handler(runtime, project, payload)
    return EventOutcome(project_id, {kind: runtime.jobs.enqueue(kind, project_id) for kind in kinds})


def _annotated(runtime: Runtime, project: Project, payload: Payload) -> tuple[JobKind, ...]:
    pairs = list(_pairs(payload))
    with runtime.database.session() as session:
        _store_tasks(session, runtime, project, (task for task, _ in pairs if task.get("data")))
        changed = False
        for task, annotation in pairs:
            changed |= record_annotation(session, runtime.database, project.id, int(task["id"]), annotation)
    return (JobKind.REFRESH,) if changed else ()


def _pairs(payload: Payload) -> Iterable[tuple[Payload, Payload]]:
    """(task, annotation) of an event: single objects, or lists of equal length (ANNOTATIONS_CREATED)."""
    annotations, tasks = payload.get("annotation"), payload.get("task")
    annotations = annotations if isinstance(annotations, list) else [annotations]
    tasks = tasks if isinstance(tasks, list) else [tasks]
    by_id = {task["id"]: task for task in tasks if isinstance(task, Mapping) and "id" in task}
    for annotation in annotations:
        if not isinstance(annotation, Mapping) or "id" not in annotation:
            raise BackendError("The event holds no annotation with an id.", reason="bad_event")
        task_id = annotation.get("task")
        task_id = task_id.get("id") if isinstance(task_id, Mapping) else task_id
        if task_id is None and len(by_id) == 1:
            task_id = next(iter(by_id))
        if task_id is None:
            raise BackendError(f"Annotation {annotation['id']} names no task.", reason="bad_event")
        yield by_id.get(task_id, {"id": task_id}), annotation


def _annotations_deleted(runtime: Runtime, project: Project, payload: Payload) -> tuple[JobKind, ...]:
    with runtime.database.session() as session:
        changed = record_deletions(session, runtime.database, project.id, _ids(payload, "annotations", "annotation"))
    return (JobKind.REFRESH,) if changed else ()


def _tasks_created(runtime: Runtime, project: Project, payload: Payload) -> tuple[JobKind, ...]:
    tasks = payload.get("tasks") or payload.get("task") or []
    tasks = tasks if isinstance(tasks, list) else [tasks]
    with runtime.database.session() as session:
        _store_tasks(session, runtime, project, tasks)
    # Imported annotations come with no event of their own: the listing brings them.
    return (JobKind.EMBED, JobKind.SYNC)


def _tasks_deleted(runtime: Runtime, project: Project, payload: Payload) -> tuple[JobKind, ...]:
    with runtime.database.session() as session:
        forget_tasks(session, project.id, list(_ids(payload, "tasks", "task")))
    return (JobKind.REFRESH,)


def _start_training(runtime: Runtime, project: Project, payload: Payload) -> tuple[JobKind, ...]:
    return (JobKind.TRAIN,)


def _nothing_more(runtime: Runtime, project: Project, payload: Payload) -> tuple[JobKind, ...]:
    return ()  # the project itself was stored already


def _store_tasks(session: Session, runtime: Runtime, project: Project, tasks: Iterable[Payload]) -> None:
    config = _config(runtime, project)
    if config is not None:
        record_tasks(session, runtime.database, project.id, config, tasks)


def _config(runtime: Runtime, project: Project) -> LabelConfig | None:
    return runtime.labels.parse(project.label_config) if project.label_config else None


def _ids(payload: Payload, *keys: str) -> Iterable[int]:
    for key in keys:
        value = payload.get(key)
        for item in value if isinstance(value, list) else [value]:
            found = item.get("id") if isinstance(item, Mapping) else item
            if isinstance(found, int):
                yield found


_HANDLERS: Mapping[str, Callable[[Runtime, Project, Payload], tuple[JobKind, ...]]] = {
    "ANNOTATION_CREATED": _annotated,
    "ANNOTATION_UPDATED": _annotated,
    "ANNOTATIONS_CREATED": _annotated,
    "ANNOTATIONS_DELETED": _annotations_deleted,
    "ANNOTATION_DELETED": _annotations_deleted,
    "TASKS_CREATED": _tasks_created,
    "TASKS_DELETED": _tasks_deleted,
    "PROJECT_UPDATED": _nothing_more,
    "START_TRAINING": _start_training,
}
