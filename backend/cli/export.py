"""`python -m backend export`: a version as a model that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.console import messages, output
from backend.cli.runtime import open_runtime
from backend.errors import BackendError, NotFoundError, suggestion

if TYPE_CHECKING:
    from backend.labels import LabelSpace
    from backend.service.context.context import Runtime


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
    """Write a version as a model that takes raw RGB photos and gives label probabilities.

    Whatever serves can be exported. What needs the whole pool to answer, as propagation does, is distilled into a head first.

    Beside the model: `labels.txt`, one label a line in the order of the outputs, and `model_card.json`. The model is
    loaded again with the format's own runtime and compared before it gets its name.
    """
    from backend.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    from backend.learning.export import FORMATS, export_classifier
    from backend.service.context.backbones import backbone_files
    from backend.service.training.portable import portable_version
    from backend.service.versions.registry import describe_version

    if format_name not in FORMATS:
        raise BackendError(f"--format {format_name}: unknown{suggestion(format_name, FORMATS)}", reason="export_format")
    with open_runtime(project) as runtime, messages().status("reading the project …") as status:
        number, space = _control(runtime, project, control)
        found = portable_version(runtime, project, version, lambda part, said: status.update(f"{said} …"))
        head, chosen = found.heads[number], found.version
        folder = output_folder or Path("export") / f"{project}-{chosen.version}-{format_name}"
        status.update(f"building {chosen.version} as {format_name} …")
        report = export_classifier(
            folder,
            format_name,
            backbone_files(runtime.settings, chosen.backbone).in_keras(),
            head,
            [label.value for label in space.control.labels],
            card={"project": project, "control": space.control.from_name, **describe_version(chosen)},
        )
    if found.distilled:
        output().print(
            f"{chosen.version} distilled into a head: the same label on {head.report['agreement']:.1%} of "
            f"{head.report['photos']:,} photos",
            markup=False,
        )
    output().print(
        f"{report.model}: probabilities within {report.largest_difference:.1e} of the server's", markup=False
    )


def _control(runtime: Runtime, project: int, name: str | None) -> tuple[int, LabelSpace]:
    """The number and the labels of a control of the label config, by the name of its tag; the first by default."""
    from backend.service.projects.labels import labels_of
    from backend.service.projects.project import find_project

    spaces = labels_of(runtime, find_project(runtime, project)).spaces
    names = [space.control.from_name for space in spaces]
    if name is not None and name not in names:
        raise NotFoundError(f"--control {name}: the label config has {', '.join(names)}.")
    number = names.index(name) if name else 0
    return number, spaces[number]
