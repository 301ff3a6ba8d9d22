"""Projects as Label Studio names and describes them in its calls."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select

from backend.errors import BackendError, NotFoundError, SettingsError, WordNetError
from backend.jobs.kinds import JobKind
from backend.labels import check_roots
from backend.service.context.context import Runtime
from backend.service.projects.options import parse_extra_params, project_options
from backend.service.projects.payloads import first_fault
from backend.storage.schema import Project

log = logging.getLogger(__name__)

MAX_PROJECT_ID = 2**31 - 1  # what Label Studio and the databases number projects with
MAX_TASK_ID = 2**63 - 1  # the same of tasks
MAX_TITLE = 255


class ProjectPayload(BaseModel):
    """A project as webhooks carry it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    label_config: str | None = None
    title: str | None = None


def project_id_of(value: object) -> int:
    """The number of a project from "<id>.<created>", a number, or an object with an `id`.

    Raises:
        NotFoundError: no number can be read from it.
    """
    if isinstance(value, dict):
        value = value.get("id")
    text = str(value)[:40].split(".", 1)[0]
    if not (text.isascii() and text.isdecimal()) or int(text) > MAX_PROJECT_ID:
        raise NotFoundError(f"No project id in {str(value)[:40]!r}; Label Studio sends it as <id>.<created>.")
    return int(text)


def set_up_project(
    runtime: Runtime,
    project_id: int,
    *,
    label_config: str | None = None,
    title: str | None = None,
    extra_params: object = None,
) -> Project:
    """Create or update a project; what is None stays as it is. Changed labels or options ask for a new order.

    Raises:
        LabelConfigError: the config has no image classification control.
        SettingsError: an extra param is unknown or not allowed.
    """
    if label_config:
        runtime.labels.parse(label_config)
    params = None
    if extra_params is not None:
        params = parse_extra_params(extra_params)
        options = project_options(runtime.settings, params)
        if params.get("relevance"):
            try:
                check_roots(options.relevance, runtime.wordnet)
            except WordNetError as error:
                raise SettingsError(f"extra params: relevance: {error}") from None
    title = title[:MAX_TITLE] if title else None
    created = False
    with runtime.database.session() as session:
        project = session.get(Project, project_id)
        if project is None:  # else nothing is written unless something changed: /predict asks each time
            insert = runtime.database.insert(Project).values(id=project_id).on_conflict_do_nothing()
            created = session.execute(insert).rowcount == 1  # type: ignore[attr-defined]
            project = session.get_one(Project, project_id)
        before = (project.label_config, project.extra_params)
        if project.missing_since is not None:
            project.missing_since = None  # Label Studio speaks of it, so it is there
        if label_config:
            project.label_config = label_config
        if title:
            project.title = title
        if params is not None:
            project.extra_params = params
        changed = (project.label_config, project.extra_params) != before
    if created:
        log.info("project %s is new", project_id)
        runtime.jobs.enqueue(JobKind.SYNC, project_id)
    elif changed:
        log.info("project %s has a new label config or new options", project_id)
        runtime.jobs.enqueue(JobKind.REFRESH, project_id)
    return project


def set_up_from_payload(runtime: Runtime, payload: Any) -> Project:
    """Create or update the project that a webhook or /predict carries (whole, or its id only)."""
    project_id, label_config, title = read_project(payload)
    return set_up_project(runtime, project_id, label_config=label_config, title=title)


def read_project(payload: Any) -> tuple[int, str | None, str | None]:
    """Number, label config and title of a project, as far as a webhook or /predict tells them.

    Raises:
        NotFoundError: it has no number.
        BackendError: `bad_event`; the message names the part that is wrong.
    """
    project_id = project_id_of(payload)
    if not isinstance(payload, dict):
        return project_id, None, None
    try:
        said = ProjectPayload.model_validate(payload)
    except ValidationError as error:
        raise BackendError(f"Project {project_id} cannot be read: {first_fault(error)}.", reason="bad_event") from None
    return project_id, said.label_config, said.title


def find_project(runtime: Runtime, project_id: int) -> Project:
    """One project.

    Raises:
        NotFoundError: it was never set up with this backend.
    """
    with runtime.database.session() as session:
        project = session.get(Project, project_id)
    if project is None:
        raise NotFoundError(f"Project {project_id} is not set up: connect it with `python -m backend connect`.")
    return project


def list_projects(runtime: Runtime) -> list[Project]:
    """All projects, by id."""
    with runtime.database.session() as session:
        return list(session.scalars(select(Project).order_by(Project.id)))
