"""`python -m backend forget`: remove what is known here of a project."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.console import output
from backend.cli.runtime import open_runtime


def forget(
    project: Annotated[int, typer.Option("--project", help="Number of the project.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a project here, with its trained models; Label Studio is not touched. The backend must be stopped."""
    from backend.service.projects.project import find_project
    from backend.service.projects.tasks import count_tasks
    from backend.service.versions.forgetting import forget_project
    from backend.service.versions.registry import list_versions

    with open_runtime(project) as runtime:
        found = find_project(runtime, project)
        with runtime.database.session() as session:
            photos = count_tasks(session, project)["total"]
        versions = len(list_versions(runtime, project))
        output().print(
            f"Project {project} ({found.title or 'without a title'}): {photos:,} photos, {versions} versions.",
            markup=False,
        )
        if not yes:
            typer.confirm("Forget it? A backup brings it back, nothing else", abort=True)
        forget_project(runtime, project)
    output().print(f"Project {project} is forgotten.", markup=False)
