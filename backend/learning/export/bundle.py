"""An exported classifier: the model with labels.txt and a model card beside it, checked before it gets its name."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.files import atomic_folder
from backend.learning.export.classifier import ExportBackbone, build_classifier, feature_layers
from backend.learning.export.format import ExportFormat
from backend.learning.export.registry import FORMATS
from backend.learning.head_inference import Head

logger = logging.getLogger(__name__)

LABELS_FILE = "labels.txt"
CARD_FILE = "model_card.json"
TOLERANCE = 1e-3


@dataclass(frozen=True)
class ExportReport:
    """Where the export is, and how far its probabilities are from the numpy head's on the same images."""

    folder: Path
    model: Path
    largest_difference: float


def export_classifier(
    folder: Path,
    format_name: str,
    backbone: ExportBackbone,
    head: Head,
    labels: Sequence[str],
    *,
    card: Mapping[str, Any] | None = None,
    images: NDArray[np.uint8] | None = None,
    expected: NDArray[np.float32] | None = None,
) -> ExportReport:
    """Write backbone and head as one model of a format into `folder`, whole or not at all.

    The written model is loaded with the format's own runtime and compared with `head.predict` on the backbone's
    embeddings of `images` (uint8 [n, size, size, 3]; by default patterns made here).

    Args:
        folder: gets the model, `labels.txt` (one label a line, in the order of the outputs) and `model_card.json`.
        card: facts for the model card: version, evaluation, number of annotations and so on; must be JSON.
        expected: what the server predicts for `images` [n, L], to be compared with instead.

    Raises:
        BackendError: reason `export_format` (unknown), `export_unavailable` (a package is missing), or
            `export_differs` (the written model differs by more than 1e-3).
        ValueError: labels, head, backbone or images do not fit each other.
    """
    entry = FORMATS.get(format_name)
    if entry is None:
        raise BackendError(
            f"Unknown export format {format_name!r}; known: {', '.join(FORMATS)}", reason="export_format"
        )
    if len(labels) != head.n_labels:
        raise ValueError(f"{len(labels)} labels, but the head has {head.n_labels} outputs")
    if any("\n" in label or "\r" in label for label in labels):
        raise ValueError("a label contains a line break and cannot be a line of labels.txt")
    classifier = build_classifier(backbone, head)
    if images is None:
        images = sample_images(backbone.input_size)
    if expected is None:
        expected = head.predict(_features(backbone, images))
    with atomic_folder(folder) as temporary:
        entry.write(classifier, temporary / entry.file_name)
        difference = _largest_difference(entry, temporary / entry.file_name, images, expected)
        (temporary / LABELS_FILE).write_text("\n".join(labels) + "\n", encoding="utf-8")
        document = model_card(entry, backbone, head, labels, difference) | dict(card or {})
        (temporary / CARD_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    logger.info("Exported %s: probabilities within %.1e of the server's", folder / entry.file_name, difference)
    return ExportReport(folder, folder / entry.file_name, difference)


def model_card(
    entry: ExportFormat, backbone: ExportBackbone, head: Head, labels: Sequence[str], difference: float
) -> dict[str, Any]:
    """What someone who runs the model must know, as JSON."""
    return {
        "format": entry.name,
        "model": entry.file_name,
        "runtime": entry.runtime,
        "input": {
            "shape": [1 if entry.name == "tflite" else None, backbone.input_size, backbone.input_size, 3],
            "dtype": "uint8",
            "colour": "RGB",
            "range": [0, 255],
            "fit": backbone.fit,
            "resampling": "bilinear",
        },
        "output": {
            "shape": [None, len(labels)],
            "dtype": "float32",
            "meaning": "probability of each line of labels.txt",
            "sums_to_one": not head.multiple,
        },
        "labels": list(labels),
        "labels_without_annotations": [label for label, seen in zip(labels, head.annotated, strict=True) if not seen],
        "backbone": backbone.id,
        "head": head.kind,
        "temperature": float(head.temperature),
        "training": dict(head.report),
        "largest_difference_from_server": difference,
    }


def sample_images(size: int, count: int = 4, seed: int = 0) -> NDArray[np.uint8]:
    """Colourful smooth images uint8 [count, size, size, 3], for comparisons where no photo is at hand."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 8, 8, 3))
    places = np.linspace(0, 6.999, size)
    low = places.astype(int)
    part = (places - low)[None, :, None, None]
    rows = coarse[:, low] * (1 - part) + coarse[:, low + 1] * part
    part = part.reshape(1, 1, size, 1)
    return np.asarray(rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part, dtype=np.uint8)


def _features(backbone: ExportBackbone, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    from backend.frameworks import keras

    pixels = (images.astype(np.float32) - np.float32(backbone.mean)) / np.float32(backbone.scale)
    whole = keras.Model(backbone.body.input, feature_layers(backbone.widths, backbone.body.output))
    return np.asarray(whole.predict(pixels, verbose=0), dtype=np.float32)


def _largest_difference(
    entry: ExportFormat, path: Path, images: NDArray[np.uint8], expected: NDArray[np.float32]
) -> float:
    found = entry.load(path)(images)
    if found.shape != expected.shape:
        raise BackendError(
            f"The {entry.name} export gives probabilities of shape {found.shape}, the server {expected.shape}",
            reason="export_differs",
        )
    difference = float(np.abs(found - expected).max(initial=0))
    if not difference <= TOLERANCE:
        raise BackendError(
            f"The {entry.name} export differs from the server's probabilities by {difference:.2g} on {len(images)} "
            f"images (at most {TOLERANCE:g} is allowed); nothing was written",
            reason="export_differs",
        )
    return difference
