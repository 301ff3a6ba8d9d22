"""`python -m backend models …`: the model versions of a project: list, compare, choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from backend.cli.console import output, table
from backend.cli.runtime import open_runtime

Project = Annotated[int, typer.Option("--project", help="Number of the project in Label Studio.")]
Version = Annotated[str, typer.Argument(help="Name of a version, as `models list` shows it.")]

models = typer.Typer(
    help="Model versions of a project: list, show, compare, promote, rollback, unpin.", no_args_is_help=True
)


@models.command("list")
def list_all(project: Project) -> None:
    """All versions, oldest first, with the share of the still unlabelled photos that each names rightly, and its 95 % interval."""
    from backend.service.projects.project import find_project
    from backend.service.versions.registry import list_versions

    with open_runtime(project) as runtime:
        serving = find_project(runtime, project)
        versions = list_versions(runtime, project)
    rows = table("version", "status", "annotations", "accuracy", "parent", "made", "note")
    for version in versions:
        rows.add_row(
            version.version,
            version.status,
            str(version.annotations),
            _accuracy(version.evaluation),
            version.parent or "",
            f"{version.created_at:%Y-%m-%d %H:%M}",
            version.note,
        )
    output().print(rows, markup=False)
    if serving.pinned:
        output().print(f"{serving.serving_version} was chosen by a person; `models unpin` lets training choose again.")


@models.command()
def show(version: Version, project: Project) -> None:
    """All that is known of a version."""
    from backend.service.versions.registry import describe_version, find_version

    with open_runtime(project) as runtime:
        output().print_json(data=describe_version(find_version(runtime, project, version)))


@models.command()
def compare(
    first: Version, second: Annotated[str, typer.Argument(help="The version to compare it with.")], project: Project
) -> None:
    """The evaluation figures of two versions side by side."""
    from backend.service.versions.registry import compare as figures_of
    from backend.service.versions.registry import find_version

    with open_runtime(project) as runtime:
        figures = figures_of(find_version(runtime, project, first), find_version(runtime, project, second))
    rows = table("figure", first, second, "difference")
    for row in figures:
        rows.add_row(row["figure"], _number(row[first]), _number(row[second]), _number(row["difference"], signed=True))
    output().print(rows, markup=False)


@models.command()
def promote(version: Version, project: Project) -> None:
    """Let this version serve from now on, whatever training brings."""
    from backend.service.versions.registry import promote as serve_version

    with open_runtime(project) as runtime:
        job = serve_version(runtime, project, version)
    output().print(f"{version} serves project {project}; the queue is made anew by job {job}.", markup=False)


@models.command()
def rollback(project: Project) -> None:
    """Go back to the parent of the version that serves."""
    from backend.service.versions.registry import rollback as serve_parent

    with open_runtime(project) as runtime:
        version, job = serve_parent(runtime, project)
    output().print(f"{version} serves project {project} again; the queue is made anew by job {job}.", markup=False)


@models.command()
def unpin(project: Project) -> None:
    """Let training choose the serving version again."""
    from backend.service.versions.registry import unpin as let_training_choose

    with open_runtime(project) as runtime:
        let_training_choose(runtime, project)
    output().print(f"Training chooses the serving version of project {project} again.", markup=False)


def _accuracy(evaluation: Mapping[str, Any]) -> str:
    """The headline figure with its 95 % interval."""
    from backend.learning.figures import Figures

    accuracy = Figures.from_json(evaluation).accuracy
    return f"{accuracy.value:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f})" if accuracy else "not known yet"


def _number(value: object, *, signed: bool = False) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:+.4f}" if signed else f"{value:.4f}"
