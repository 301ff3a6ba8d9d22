"""The files that a retraining leaves: the model in the format that its name asks for, labels and a card beside it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import SettingsError
from backend.files import replace_path, write_atomically
from backend.learning.export import ExportBackbone, export_classifier
from backend.learning.export.bundle import CARD_FILE
from backend.learning.head_inference import Head

FORMAT_OF_ENDING: Mapping[str, str] = {
    ".pb": "frozen",
    ".keras": "keras",
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".xml": "openvino",
    "": "savedmodel",
}


@dataclass(frozen=True)
class Classifier:
    """A network with its head, and the names of its outputs."""

    backbone: ExportBackbone
    head: Head
    labels: Sequence[str]


def with_normalised_output(backbone: ExportBackbone) -> ExportBackbone:
    """A backbone whose embeddings heads see as `normalise_parts` gives them, those of a single network too."""
    return replace(backbone, widths=backbone.widths or (int(backbone.body.output_shape[-1]),))


def format_of(path: Path, option: str = "--output-graph") -> str:
    """The export format that a file's ending stands for.

    Raises:
        SettingsError: the ending stands for none; names the option.
    """
    try:
        return FORMAT_OF_ENDING[path.suffix.lower()]
    except KeyError:
        known = ", ".join(f"{ending or 'none'} ({name})" for ending, name in FORMAT_OF_ENDING.items())
        raise SettingsError(f"{option} {path}: its ending is no model format; known: {known}.") from None


def write_graph(
    path: Path,
    classifier: Classifier,
    card: Mapping[str, Any],
    *,
    images: NDArray[np.uint8] | None = None,
    output_tensor: str = "final_result",
) -> None:
    """Write the model as `path`, and what one must know to run it as `path` + `.json`.

    The model is loaded again and compared with the head (on `images`, uint8 [n, size, size, 3]) before it gets its name.

    Raises:
        BackendError: the format needs a package that is missing, or the written model differs.
        SettingsError: the place cannot be written.
    """
    name = format_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as temporary:
            folder = Path(temporary) / "export"
            report = export_classifier(
                folder,
                name,
                classifier.backbone,
                classifier.head,
                classifier.labels,
                card=dict(card),
                images=images,
            )
            if name == "frozen" and output_tensor != "final_result":
                _rename_output(report.model, output_tensor)
            document = json.loads((folder / CARD_FILE).read_text(encoding="utf-8")) | {"model": path.name}
            if name == "openvino":
                replace_path(report.model / "model.bin", path.with_suffix(".bin"))
                replace_path(report.model / "model.xml", path)
            else:
                replace_path(report.model, path)
            write_atomically(card_path(path), json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise SettingsError(f"--output-graph {path} cannot be written: {error.strerror or error}.") from None


def card_path(graph: Path) -> Path:
    """Where the card of a model is."""
    return graph.with_name(f"{graph.name}.json")


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """One label a line, in the order of the outputs."""
    try:
        write_atomically(path, "\n".join(labels) + "\n")
    except OSError as error:
        raise SettingsError(f"--output-labels {path} cannot be written: {error.strerror or error}.") from None


def write_int8(path: Path, classifier: Classifier, images: NDArray[np.uint8]) -> float:
    """Write an int8 TFLite model, its ranges taken from `images`; the share of them that it answers as before."""
    from backend.learning.export import tflite
    from backend.learning.export.classifier import build_classifier

    model = build_classifier(classifier.backbone, classifier.head)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    tflite.write_int8(model, temporary, images)
    same = tflite.load(temporary)(images).argmax(axis=1) == model.predict(images, verbose=0).argmax(axis=1)
    temporary.replace(path)
    return float(same.mean())


def _rename_output(graph: Path, name: str) -> None:
    from backend.frameworks import tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(graph.read_bytes())
    for node in definition.node:
        if node.name == "final_result":
            node.name = name
    graph.write_bytes(definition.SerializeToString())
