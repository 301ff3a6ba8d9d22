"""Projects as Label Studio names and describes them in its calls."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select

from backend.errors import BackendError, NotFoundError, SettingsError, WordNetError
from backend.jobs.kinds import JobKind
from backend.labels import check_roots
from backend.service.context.context import Runtime
from backend.service.projects.identity import made_at_of, refuse_another
from backend.service.projects.options import parse_extra_params, project_options
from backend.service.projects.payloads import EPOCH, first_fault, parse_time
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


@dataclass(frozen=True)
class Stamp:
    """How new a description of a project is; what Label Studio says of it now in a call of its own has none.

    Attributes:
        at: of an event, when the project was changed last, by Label Studio's clock. Of a listing, the newest stamp that
            was known when it was asked for; None: none was.
        listed: whether it is a listing. It is right where no event came meanwhile, even if it contradicts older ones.
    """

    at: datetime | None
    listed: bool = False

    def is_news(self, known: datetime | None) -> bool:
        """Whether the description is newer than the one with that stamp."""
        if known is None:
            return True
        return self.at is not None and (self.at > known or (self.listed and self.at == known))


@dataclass(frozen=True)
class Description:
    """A project as an event or /predict carries it: what is None was not told."""

    id: int
    label_config: str | None = None
    title: str | None = None
    made_at: datetime | None = None
    stamp: Stamp | None = None


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
    made_at: datetime | None = None,
    stamp: Stamp | None = None,
) -> Project:
    """Create or update a project; what is None stays as it is. Changed labels or options ask for a new order.

    Args:
        made_at: when Label Studio made it, see `identity`.
        stamp: how new label config and title are; older ones than those known change nothing. None: they are the present
            ones.

    Raises:
        AnotherProjectError: Label Studio means another project of this number than the one known here.
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
        refuse_another(project, made_at)
        before = (project.label_config, project.extra_params)
        if project.made_at is None and made_at is not None:
            project.made_at = made_at
        if project.missing_since is not None and (made_at is not None or project.another_made_at is None):
            project.missing_since = project.another_made_at = None  # Label Studio speaks of it, so it is there
        is_news = stamp is None or stamp.is_news(project.described_at)
        if label_config and is_news:
            project.label_config = label_config
        if title and is_news:
            project.title = title
        if stamp is not None and is_news and not stamp.listed and stamp.at is not None:
            project.described_at = stamp.at
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


def set_up_described(runtime: Runtime, said: Description) -> Project:
    """Create or update a project as it was described; errors as `set_up_project`."""
    return set_up_project(
        runtime, said.id, label_config=said.label_config, title=said.title, made_at=said.made_at, stamp=said.stamp
    )


def set_up_from_payload(runtime: Runtime, payload: Any) -> Project:
    """Create or update the project that a webhook or /predict carries (whole, or its id only)."""
    return set_up_described(runtime, read_project(payload))


def read_project(payload: Any) -> Description:
    """A project, as far as a webhook or /predict tells of it.

    Raises:
        NotFoundError: it has no number.
        BackendError: `bad_event`; the message names the part that is wrong.
    """
    project_id = project_id_of(payload)
    made_at = made_at_of(payload)
    if not isinstance(payload, dict):
        return Description(project_id, made_at=made_at)
    try:
        said = ProjectPayload.model_validate(payload)
    except ValidationError as error:
        raise BackendError(f"Project {project_id} cannot be read: {first_fault(error)}.", reason="bad_event") from None
    return Description(project_id, said.label_config, said.title, made_at, _stamp_of(payload))


def _stamp_of(payload: dict[str, Any]) -> Stamp | None:
    """When the project was changed last; None where that is not told, or cannot be read."""
    try:
        at = parse_time(payload.get("updated_at"))
    except ValueError:
        return None
    return None if at == EPOCH else Stamp(at)


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
