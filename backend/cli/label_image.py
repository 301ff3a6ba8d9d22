"""`python -m backend label-image`: what a classifier says of photos."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backend.cli.console import messages, output, table
from backend.errors import ImageError
from backend.settings import load_settings

if TYPE_CHECKING:
    from backend.classifiers.opening import Suggestion

Form = Literal["table", "csv", "json"]


def label_image(
    image: Annotated[
        list[str], typer.Option(help="Photo: a file, a folder (all below it) or an http(s) address; may be repeated.")
    ],
    graph: Annotated[
        Path | None,
        typer.Option(
            help="Model that `export` or `retrain` wrote, or an old retrained_graph.pb. Default: the ImageNet network."
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Labels, one a line. Default: those beside the model.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many labels of each photo.")] = 5,
    form: Annotated[Form, typer.Option("--format", help="How they are shown.")] = "table",
    input_layer: Annotated[str | None, typer.Option(help="Frozen graphs: layer that takes the pixels.")] = None,
    output_layer: Annotated[str | None, typer.Option(help="Frozen graphs: layer of the probabilities.")] = None,
    input_height: Annotated[
        int | None, typer.Option(min=1, help="Height in pixels, where the model does not say.")
    ] = None,
    input_width: Annotated[
        int | None, typer.Option(min=1, help="Width in pixels, where the model does not say.")
    ] = None,
    input_mean: Annotated[float | None, typer.Option(help="Frozen graphs: (pixel - mean) / std goes in.")] = None,
    input_std: Annotated[float | None, typer.Option(help="Frozen graphs: (pixel - mean) / std goes in.")] = None,
) -> None:
    """Label photos with any model of this product, or with the ImageNet network. Needs no Label Studio.

    Names and probabilities, likeliest first; photos that cannot be read are named on standard error. The flags of
    TensorFlow for Poets' label_image.py work.
    """
    from backend.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    from backend.backbones import open_settings_backbone
    from backend.classifiers import GraphOptions, open_classifier
    from backend.classifiers.imagenet import imagenet_classifier
    from backend.classifiers.opening import best
    from backend.classifiers.photos import ask, photo_sources

    settings = load_settings()
    photos = photo_sources(image, settings)
    if graph is None:
        classifier = imagenet_classifier(open_settings_backbone(settings), settings)
    else:
        options = GraphOptions(labels, input_layer, output_layer, input_height, input_width, input_mean, input_std)
        classifier = open_classifier(graph, options)
    found: list[tuple[str, list[Suggestion]]] = []
    for answer in ask(classifier, photos, settings):
        if answer.probabilities is None:
            messages().print(f"unreadable: {answer.name}: {answer.error}", markup=False)
        else:
            found.append((answer.name, best(classifier, answer.probabilities, top)))
    if not found:
        raise ImageError(f"None of the {len(photos)} photos can be read.")
    _SHOW[form](found)


def _table(found: Sequence[tuple[str, list[Suggestion]]]) -> None:
    with_ids = found[0][1][0].wnid is not None
    rows = table("photo", "label", "probability", *(["WordNet id"] if with_ids else []))
    for name, suggestions in found:
        for place, item in enumerate(suggestions):
            cells = [item.label, f"{item.probability:.4f}", *([item.wnid] if item.wnid else [])]
            rows.add_row(name if place == 0 else "", *cells)
    output().print(rows, markup=False)


def _csv(found: Sequence[tuple[str, list[Suggestion]]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    with_ids = found[0][1][0].wnid is not None
    writer.writerow(["photo", "place", "label", "probability", *(["wnid"] if with_ids else [])])
    for name, suggestions in found:
        for place, item in enumerate(suggestions, start=1):
            cells = [item.label, f"{item.probability:.6f}", *([item.wnid] if item.wnid else [])]
            writer.writerow([name, place, *cells])


def _json(found: Sequence[tuple[str, list[Suggestion]]]) -> None:
    rows = [
        {
            "photo": name,
            "labels": [[item.label, round(item.probability, 6), *([item.wnid] if item.wnid else [])] for item in items],
        }
        for name, items in found
    ]
    json.dump(rows, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


_SHOW = {"table": _table, "csv": _csv, "json": _json}
