"""`python -m backend export`: a trained version as a model that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.console import messages, output
from backend.cli.runtime import open_runtime
from backend.errors import BackendError, NotFoundError

if TYPE_CHECKING:
    from backend.labels import LabelSpace
    from backend.learning.head import Head
    from backend.service.context.context import Runtime
    from backend.storage.schema import ModelVersion


def export(
    project: Annotated[int, typer.Option(help="Number of the project in Label Studio.")],
    format_name: Annotated[str, typer.Option("--format", help="keras, savedmodel, tflite, onnx, openvino or frozen.")],
    output_folder: Annotated[
        Path | None, typer.Option("--output", help="Folder to write. Default: export/PROJECT-VERSION-FORMAT.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version as `models list` shows it. Default: the one that serves.")
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(help="Name of the control tag, where the label config has several. Default: the first."),
    ] = None,
) -> None:
    """Write a trained version as a model that takes raw RGB photos and gives label probabilities.

    Beside the model: `labels.txt`, one label a line in the order of the outputs, and `model_card.json`. The model is
    loaded again with the format's own runtime and compared before it gets its name.
    """
    from backend.learning.export import FORMATS, export_classifier
    from backend.service.context.backbones import backbone_files
    from backend.service.versions.registry import describe_version, find_version

    if format_name not in FORMATS:
        raise BackendError(f"--format {format_name}: unknown; known: {', '.join(FORMATS)}", reason="export_format")
    with open_runtime(project) as runtime:
        chosen = find_version(runtime, project, version or _serving(runtime, project))
        space, head = _trained(runtime, project, chosen, control)
        folder = output_folder or Path("export") / f"{project}-{chosen.version}-{format_name}"
        with messages().status(f"building {chosen.version} as {format_name} …"):
            report = export_classifier(
                folder,
                format_name,
                backbone_files(runtime.settings, chosen.backbone).in_keras(),
                head,
                [label.value for label in space.control.labels],
                card={"project": project, "control": space.control.from_name, **describe_version(chosen)},
            )
    output().print(
        f"{report.model}: probabilities within {report.largest_difference:.1e} of the server's", markup=False
    )


def _serving(runtime: Runtime, project: int) -> str:
    from backend.service.projects.project import find_project

    serving = find_project(runtime, project).serving_version
    if not serving:
        raise NotFoundError(
            f"Project {project} serves no trained version yet: press Start Training, or name a version with --version."
        )
    return serving


def _trained(runtime: Runtime, project: int, version: ModelVersion, control: str | None) -> tuple[LabelSpace, Head]:
    """The labels and the head of one control of a trained version."""
    from backend.service.projects.labels import labels_of
    from backend.service.projects.project import find_project
    from backend.service.versions.artifacts import load_heads

    found = find_project(runtime, project)
    spaces = labels_of(runtime, found).spaces
    heads = load_heads(runtime, project, version.version)
    if heads is None:
        raise BackendError(
            f"Version {version.version} is no trained model (it needs the whole pool to predict): export a head instead.",
            reason="not_trained",
        )
    names = [space.control.from_name for space in spaces]
    if control is not None and control not in names:
        raise NotFoundError(f"--control {control}: the label config has {', '.join(names)}.")
    number = names.index(control) if control else 0
    return spaces[number], heads[number]
