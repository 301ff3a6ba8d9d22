"""`python -m backend doctor`: finds what is wrong, and says the fix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.connect import webhook_headers
from backend.cli.console import output, table
from backend.errors import SettingsError
from backend.settings import Settings, load_settings

if TYPE_CHECKING:
    from backend.sync.checks import Check, Reading

STYLE = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    project: Annotated[
        list[int] | None,
        typer.Option(help="Check this project's connection; may be repeated. Default: all known ones."),
    ] = None,
) -> None:
    """Check each thing that goes wrong in practice and say the fix. Ends with 1 if something fails."""
    rows = table("", "what", "found", "fix")
    failed = False
    for check in _checks(project or []):
        failed |= check.verdict == "fail"
        style = STYLE[check.verdict]
        rows.add_row(f"[{style}]{check.verdict}[/{style}]", check.name, _plain(check.what), _plain(check.fix))
    output().print(rows)
    if failed:
        raise typer.Exit(1)


def _checks(projects: list[int]) -> Iterator[Check]:
    from backend.cli.local_checks import check_machine
    from backend.sync.checks import Check, Verdict

    try:
        settings = load_settings()
    except SettingsError as error:
        yield Check("Settings", Verdict.FAIL, str(error), "Correct them; all settings: python -m backend settings")
        return
    yield Check("Settings", Verdict.OK, "all names and values are allowed")
    yield from check_machine(settings)
    yield from _label_studio_checks(settings, projects)


def _label_studio_checks(settings: Settings, projects: list[int]) -> Iterator[Check]:
    from backend.sync.checks import Check, Reading, Verdict, check_project, check_server
    from backend.sync.client import LabelStudioClient

    if not settings.pushes:
        yield Check(
            "Label Studio",
            Verdict.WARN,
            "no address or no token: predictions are answered, but no queue is published",
            "Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.",
        )
        return
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key, timeout=10)
    server = check_server(client)
    yield from server
    if any(check.verdict is Verdict.FAIL for check in server):
        return
    known = _known_projects(settings)
    for number in projects or sorted(known):
        published, reading = known.get(number, ("", Reading(0, 0, 0)))
        yield from check_project(
            client,
            number,
            settings.resolved_public_url,
            published_version=published or None,
            reading=reading,
            webhook_headers=webhook_headers(settings),
        )
    if not projects and not known:
        yield Check("Project", Verdict.WARN, "none is connected yet", "Run: python -m backend connect --project NUMBER")


def _known_projects(settings: Settings) -> dict[int, tuple[str, Reading]]:
    """Of each known project the version that its window carries, and how far its photos are read.

    Empty where the database cannot be read: its own check says so.
    """
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from backend.service.projects.tasks import count_tasks
    from backend.storage.database import Database
    from backend.storage.schema import Project
    from backend.sync.checks import Reading

    known = {}
    try:
        database = Database(settings.resolved_database_url)
        with database.session() as session:
            for project in session.scalars(select(Project)):
                counts = count_tasks(session, project.id)
                reading = Reading(counts["embedded"], counts["failed"], counts["total"])
                known[project.id] = (project.published_version, reading)
    except SQLAlchemyError:
        return {}
    return known


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
