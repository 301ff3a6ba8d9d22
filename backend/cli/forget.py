"""`python -m backend forget`: remove what is known here of a project."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.console import output
from backend.cli.runtime import open_runtime
from backend.errors import NotFoundError


def forget(
    project: Annotated[int, typer.Option("--project", help="Number of the project.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a project here, with its trained models; Label Studio is not touched. The backend must be stopped."""
    from backend.service.ingest.spool import SPOOL, EventSpool
    from backend.service.projects.project import find_project, list_projects
    from backend.service.projects.tasks import count_tasks
    from backend.service.versions.forgetting import forget_project
    from backend.service.versions.registry import list_versions

    with open_runtime(project) as runtime:
        try:
            found = find_project(runtime, project)
        except NotFoundError:
            known = ", ".join(f"{other.id} ({other.title or 'without a title'})" for other in list_projects(runtime))
            raise NotFoundError(
                f"Project {project} is not known in {runtime.settings.state_dir}: nothing to forget. Known: {known or 'none'}."
            ) from None
        with runtime.database.session() as session:
            photos = count_tasks(session, project)["total"]
        versions = len(list_versions(runtime, project))
        counted = f"{photos:,} photo{'s' * (photos != 1)}, {versions} version{'s' * (versions != 1)}"
        output().print(f"Project {project} ({found.title or 'without a title'}): {counted}.", markup=False)
        if not yes:
            typer.confirm("Forget it? A backup brings it back, nothing else", abort=True)
        forget_project(runtime, project)
        EventSpool(runtime.settings.state_dir / SPOOL).forget(project)  # taken in later, they would bring it back
    output().print(
        f"Project {project} is forgotten. If Label Studio still has it connected, its next call makes it known again, "
        "without what was learned.",
        markup=False,
    )
