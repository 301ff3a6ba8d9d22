"""`python -m backend evaluate`: how good a model file is on photos whose classes are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from backend.cli.console import messages, output, progress_bar, table
from backend.errors import SettingsError
from backend.settings import load_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def evaluate(
    graph: Annotated[Path, typer.Option(help="Model that `export` or `retrain` wrote, or an old retrained_graph.pb.")],
    image_dir: Annotated[Path, typer.Option(help="Folder with one folder of photos for each class.")],
    page: Annotated[Path, typer.Option("--output", help="HTML file to write; a JSON file beside it.")] = Path(
        "performance.html"
    ),
    side: Annotated[
        Literal["all", "testing", "validation", "training"],
        typer.Option(help="Only the photos that were on that side when the model was retrained from this folder."),
    ] = "all",
    labels: Annotated[
        Path | None, typer.Option(help="Labels, one a line. Default: those beside the model.", show_default=False)
    ] = None,
) -> None:
    """Measure a model on photos whose classes are known: accuracy, classes, confusion, calibration, worst mistakes.

    Writes one HTML file that needs no network, and the same as JSON. Needs no Label Studio.
    """
    from backend.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    from backend.classifiers import GraphOptions, open_classifier
    from backend.classifiers.performance import measure
    from backend.classifiers.performance_page import performance_page
    from backend.folders.embedding import decoder_of, read_photo

    if not page.suffix:
        page = page.with_suffix(".html")
    settings = load_settings()
    classifier = open_classifier(graph, GraphOptions(labels=labels))
    with progress_bar() as bar:
        task = bar.add_task("Photos", total=None)
        found = measure(
            classifier,
            image_dir,
            settings,
            side=side,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    decode = decoder_of(settings).decode

    def thumbnail(path: Path, size: int) -> NDArray[np.uint8]:
        return decode(read_photo(path, settings.max_image_bytes), (size, size), fit="center_crop", crop=1.0)

    title = f"{graph.name} on {image_dir.name}" + ("" if side == "all" else f", {side} photos")
    _write(page, performance_page(found, title, thumbnail))
    document: dict[str, Any] = {"model": str(graph), "photos": str(image_dir), "side": side, **found.to_json()}
    beside = page.with_suffix(".json")
    _write(beside, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for warning in found.warnings:
        messages().print(f"warning: {warning}", markup=False)
    for name, error in found.unreadable:
        messages().print(f"unreadable: {name}: {error}", markup=False)
    rows = table("class, worst first", "photos", "precision", "recall", "F1")
    for score in sorted(found.evaluation.labels, key=lambda item: item.f1)[:10]:
        figures = (score.precision, score.recall, score.f1)
        rows.add_row(found.labels[score.label], str(score.support), *(f"{value:.3f}" for value in figures))
    output().print(rows, markup=False)
    output().print(found.evaluation.summary(), markup=False)
    output().print(f"{page}, {beside}", markup=False)


def _write(path: Path, text: str) -> None:
    from backend.files import write_atomically

    try:
        write_atomically(path, text)
    except OSError as error:
        raise SettingsError(f"--output {path} cannot be written: {error.strerror or error}.") from None
