"""What each of Label Studio's webhook events changes here. Every event may come late, twice, out of order, or never."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from backend.errors import BackendError, LabelConfigError
from backend.jobs.kinds import JobKind
from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.projects.annotations import annotation_values, record_annotations, record_deletions
from backend.service.projects.payloads import is_row_id, read_annotation, read_task
from backend.service.projects.project import project_id_of, set_up_from_payload
from backend.service.projects.tasks import forget_tasks, record_tasks
from backend.storage.schema import Project

log = logging.getLogger(__name__)

Payload = Mapping[str, Any]
S = TypeVar("S")


@dataclass(frozen=True)
class EventOutcome:
    """What an event led to.

    Attributes:
        jobs: those that were asked for, by kind.
        rejected: why parts of the event were left out, a sentence for each; the others are stored.
    """

    project_id: int
    jobs: dict[str, str]
    rejected: tuple[str, ...] = ()


def handle_event(runtime: Runtime, action: str, payload: Payload) -> EventOutcome:
    """Store what an event says and ask for the jobs that follow; takes milliseconds.

    An unknown action changes nothing: a newer Label Studio may send more than is known here.

    Raises:
        NotFoundError: the payload names no project.
        BackendError: `bad_event`, nothing in the event can be read.
    """
    project_id = project_id_of(payload.get("project"))
    try:
        project = set_up_from_payload(runtime, payload.get("project"))
    except LabelConfigError as error:
        log.warning("%s of project %s is ignored: %s", action, project_id, error)
        return EventOutcome(project_id, {})
    handler = _HANDLERS.get(action)
    if handler is None:
        log.info("event %s of project %s is not known and changes nothing", action[:40], project_id)
        return EventOutcome(project_id, {})
    rejected: list[str] = []
    kinds = handler(runtime, project, payload, rejected)
    for fault in rejected:
        log.warning("%s of project %s: %s", action, project_id, fault)
    return EventOutcome(project_id, {kind: runtime.jobs.enqueue(kind, project_id) for kind in kinds}, tuple(rejected))


def _annotated(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    items = _listed(payload.get("annotation"))
    tasks = {state.id: item for item, state in _readable(_listed(payload.get("task")), read_task, rejected)}
    known: list[tuple[int, Payload]] = []
    for item, state in _readable(items, read_annotation, rejected):
        task_id = _task_of(item, tasks)
        if task_id is None:
            rejected.append(f"Annotation {state.id} names no task.")
        else:
            known.append((task_id, item))
    if not known:
        raise BackendError(rejected[0] if rejected else "The event holds no annotation.", reason="bad_event")
    with runtime.database.session() as session:
        named = dict.fromkeys(task_id for task_id, _ in known)
        shown = [tasks[task_id] for task_id in named if task_id in tasks and tasks[task_id].get("data")]
        _store_tasks(session, runtime, project, shown)
        states = [annotation_values(task_id, item) for task_id, item in known]
        changed = record_annotations(session, runtime.database, project.id, states)
    return (JobKind.REFRESH,) if changed else ()


def _task_of(annotation: Payload, tasks: Mapping[int, Payload]) -> int | None:
    """The task of an annotation: the one it names, else the only one of the event."""
    named = annotation.get("task")
    named = named.get("id") if isinstance(named, Mapping) else named
    if named is None and len(tasks) == 1:
        return next(iter(tasks))
    return named if is_row_id(named) else None


def _annotations_deleted(
    runtime: Runtime, project: Project, payload: Payload, rejected: list[str]
) -> tuple[JobKind, ...]:
    with runtime.database.session() as session:
        changed = record_deletions(session, runtime.database, project.id, _ids(payload, "annotations", "annotation"))
    return (JobKind.REFRESH,) if changed else ()


def _tasks_created(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    items = _listed(payload.get("tasks") or payload.get("task"))
    with runtime.database.session() as session:
        _store_tasks(session, runtime, project, [item for item, _ in _readable(items, read_task, rejected)])
    # Imported annotations come with no event of their own: the listing brings them.
    return (JobKind.EMBED, JobKind.SYNC)


def _tasks_deleted(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    with runtime.database.session() as session:
        forget_tasks(session, project.id, list(_ids(payload, "tasks", "task")))
    return (JobKind.REFRESH,)


def _start_training(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    return (JobKind.TRAIN,)


def _nothing_more(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    return ()  # the project itself was stored already


def _store_tasks(session: Session, runtime: Runtime, project: Project, tasks: Iterable[Payload]) -> None:
    config = _config(runtime, project)
    if config is not None:
        record_tasks(session, runtime.database, project.id, config, tasks)


def _config(runtime: Runtime, project: Project) -> LabelConfig | None:
    return runtime.labels.parse(project.label_config) if project.label_config else None


def _ids(payload: Payload, *keys: str) -> Iterable[int]:
    for key in keys:
        for item in _listed(payload.get(key)):
            found = item.get("id") if isinstance(item, Mapping) else item
            if is_row_id(found):
                yield found


def _listed(value: object) -> list[Any]:
    """What an event holds under a key: nothing, one thing or many."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _readable(items: Iterable[Any], read: Callable[[Any], S], rejected: list[str]) -> Iterator[tuple[Any, S]]:
    """The items that can be read, with what was read of them; why the others cannot is added to `rejected`."""
    for item in items:
        try:
            yield item, read(item)
        except BackendError as error:
            rejected.append(str(error))


_HANDLERS: Mapping[str, Callable[[Runtime, Project, Payload, list[str]], tuple[JobKind, ...]]] = {
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

ACTIONS = frozenset(_HANDLERS)
