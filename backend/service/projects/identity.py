"""Which project a number stands for: the numbers begin at 1 in each Label Studio, the moment a project was made in does not.

Label Studio tells it in all its calls: `<id>.<seconds>` where it predicts, `created_at` in events and listings.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import update

from backend.errors import AnotherProjectError, BackendError, LabelStudioError
from backend.service.context.context import Runtime
from backend.service.projects.payloads import EPOCH, parse_time
from backend.storage.schema import Project, now
from backend.sync.client import LabelStudioClient

log = logging.getLogger(__name__)

SECONDS = range(10**9, 2**33)  # from 2001 to 2242: what else stands behind the number is no moment of making


def made_at_of(value: object) -> datetime | None:
    """When a project was made, to the second, from "<id>.<seconds>" or an object; None where that is not told."""
    if isinstance(value, Mapping):
        try:
            found = parse_time(value.get("created_at"))
        except ValueError:
            return None
        return None if found == EPOCH else found.astimezone(UTC).replace(microsecond=0)
    seconds = str(value)[:40].partition(".")[2]
    if not (seconds.isascii() and seconds.isdecimal()) or int(seconds) not in SECONDS:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def refuse_another(project: Project, made_at: datetime | None) -> None:
    """Let nothing pass that is told of another project than the one that is known under its number.

    Raises:
        AnotherProjectError: it was made at another time.
    """
    if made_at is None or project.made_at is None or made_at == project.made_at:
        return
    raise AnotherProjectError(
        f"Project {project.id} of this Label Studio was made on {made_at:%Y-%m-%d %H:%M:%S} UTC; the one that is known here "
        f"under this number ({project.title or 'without a title'}) was made on {project.made_at:%Y-%m-%d %H:%M:%S} UTC, in "
        "another Label Studio. Set LABEL_STUDIO_URL to that one again, give each Label Studio a backend with a STATE_DIR "
        f"of its own, or, where the old one is not needed any more, run `python -m backend forget --project {project.id}`."
    )


def mark_missing(runtime: Runtime, project_id: int, another: datetime | None = None) -> None:
    """Leave a project alone: Label Studio does not have it, or `another` one under its number, made then."""
    with runtime.database.session() as session:
        project = session.get_one(Project, project_id)
        project.another_made_at = another
        if project.missing_since is None:
            project.missing_since = now()
            log.warning("project %s is left alone: Label Studio has %s", project_id, "another" if another else "none")


def client_for(runtime: Runtime, project: Project) -> LabelStudioClient | None:
    """The client, once Label Studio has said that its project of this number is the one known here: ask before writing.

    None where no address and token are set.

    Raises:
        AnotherProjectError: it is another one.
        LabelStudioError: Label Studio does not have it (`label_studio_not_found`), or does not answer.
    """
    client = runtime.label_studio
    if client is None:
        return None
    try:
        made_at = made_at_of({"created_at": client.made_at(project.id)})
        refuse_another(project, made_at)
    except LabelStudioError as error:
        if error.reason == "label_studio_not_found":
            mark_missing(runtime, project.id)
        raise
    except AnotherProjectError:
        mark_missing(runtime, project.id, made_at)
        raise
    if project.made_at is None and made_at is not None:  # known from before this was kept, or from calls without it
        unknown = update(Project).where(Project.id == project.id, Project.made_at.is_(None))
        with runtime.database.session() as session:
            session.execute(unknown.values(made_at=made_at))
    return client


def is_gone(error: BackendError) -> bool:
    """Whether an error of `client_for` says that the project is not there: nothing to try again."""
    return isinstance(error, AnotherProjectError) or error.reason == "label_studio_not_found"
