"""What each of Label Studio's webhook events changes here. Every event may come late, twice, out of order, or never."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy.orm import Session

from backend.errors import LabelConfigError
from backend.jobs.kinds import JobKind
from backend.labels import LabelConfig
from backend.service.context.context import Runtime
from backend.service.ingest.annotation_events import ANNOTATED, store_annotated
from backend.service.ingest.event_parts import EventOutcome, Payload, listed, readable
from backend.service.projects.annotations import record_deletions
from backend.service.projects.payloads import is_row_id, read_task
from backend.service.projects.project import project_id_of, set_up_from_payload
from backend.service.projects.tasks import forget_tasks, record_tasks
from backend.storage.schema import Project

log = logging.getLogger(__name__)


def handle_event(runtime: Runtime, action: str, payload: Payload) -> EventOutcome:
    """Store what an event says and ask for the jobs that follow; takes milliseconds.

    An unknown action changes nothing: a newer Label Studio may send more than is known here.

    Raises:
        NotFoundError: the payload names no project.
        BackendError: `bad_event`, nothing in the event can be read.
    """
    if action in ANNOTATED:
        outcome = store_annotated(runtime, [payload])[0]
        if isinstance(outcome, Exception):
            raise outcome
        log_rejected(action, outcome)
        return outcome
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
    outcome = EventOutcome(
        project_id, {kind: runtime.jobs.enqueue(kind, project_id) for kind in kinds}, tuple(rejected)
    )
    log_rejected(action, outcome)
    return outcome


def log_rejected(action: str, outcome: EventOutcome) -> None:
    """Tell why parts of an event were left out."""
    for fault in outcome.rejected:
        log.warning("%s of project %s: %s", action, outcome.project_id, fault)


def _annotations_deleted(
    runtime: Runtime, project: Project, payload: Payload, rejected: list[str]
) -> tuple[JobKind, ...]:
    with runtime.durable.session() as session:
        changed = record_deletions(session, runtime.database, project.id, _ids(payload, "annotations", "annotation"))
    return (JobKind.REFRESH,) if changed else ()


def _tasks_created(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    items = listed(payload.get("tasks") or payload.get("task"))
    with runtime.durable.session() as session:
        _store_tasks(session, runtime, project, [item for item, _ in readable(items, read_task, rejected)])
    # Imported annotations come with no event of their own: the listing brings them.
    return (JobKind.EMBED, JobKind.SYNC)


def _tasks_deleted(runtime: Runtime, project: Project, payload: Payload, rejected: list[str]) -> tuple[JobKind, ...]:
    with runtime.durable.session() as session:
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
        for item in listed(payload.get(key)):
            found = item.get("id") if isinstance(item, Mapping) else item
            if is_row_id(found):
                yield found


_HANDLERS: Mapping[str, Callable[[Runtime, Project, Payload, list[str]], tuple[JobKind, ...]]] = {
    "ANNOTATIONS_DELETED": _annotations_deleted,
    "ANNOTATION_DELETED": _annotations_deleted,
    "TASKS_CREATED": _tasks_created,
    "TASKS_DELETED": _tasks_deleted,
    "PROJECT_UPDATED": _nothing_more,
    "START_TRAINING": _start_training,
}

ACTIONS = ANNOTATED | _HANDLERS.keys()
