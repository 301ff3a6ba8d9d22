"""Opening a classifier from its file: any format that `export` or `retrain` writes, and frozen graphs of older programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.classifiers.frozen import open_frozen
from backend.decoding import Fit
from backend.errors import BackendError, NotFoundError
from backend.features.inception_2015 import CLASSES_FILE, class_names
from backend.learning.export import FORMATS
from backend.learning.export.bundle import CARD_FILE, LABELS_FILE
from backend.learning.export.format import Runner
from backend.retraining.outputs import FORMAT_OF_ENDING, card_path

LABELS_NAMES = ("retrained_labels.txt", "output_labels.txt", LABELS_FILE)  # where no file is named


@dataclass(frozen=True)
class GraphOptions:
    """What a person may say of a graph that does not tell it itself; None: as the card or the graph says."""

    labels: Path | None = None
    input_layer: str | None = None
    output_layer: str | None = None
    input_height: int | None = None
    input_width: int | None = None
    input_mean: float | None = None
    input_std: float | None = None


@dataclass(frozen=True)
class OpenedClassifier:
    """A classifier ready to be asked.

    `run` takes uint8 RGB [n, height, width, 3] and gives probabilities float32 [n, L]; `fit` and `crop` say how a photo
    becomes a picture of that size (see `backend.decoding`); `card` is what was written beside the model, or empty.
    """

    path: Path
    labels: tuple[str, ...]
    height: int
    width: int
    fit: Fit
    crop: float
    run: Runner
    card: dict[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as decoding wants it."""
        return self.width, self.height


def open_classifier(graph: Path, options: GraphOptions | None = None) -> OpenedClassifier:
    """Open a model file, or a folder that `export` or `retrain` wrote.

    Raises:
        NotFoundError: there is no such file, or no labels for it.
        BackendError: the file is no classifier of a known format, or its labels do not fit it.
    """
    given = options or GraphOptions()
    if not graph.exists():
        raise NotFoundError(f"There is no model {graph}: name one with --graph.")
    path, card = _model_and_card(graph)
    name = _format_of(path)
    height, width = _size(card)
    try:
        if name == "frozen":
            frozen = open_frozen(
                path, given.input_layer, given.output_layer, given.input_mean, given.input_std, (height, width)
            )
            run, (height, width) = frozen.run, frozen.size
        else:
            run = FORMATS[name].load(path)
    except BackendError:
        raise
    # What the readers of five formats raise on a damaged file has no common class but this.
    except Exception as error:  # noqa: BLE001
        raise BackendError(f"{path} cannot be opened as {name}: {error}", reason="bad_graph") from None
    height, width = given.input_height or height, given.input_width or width
    if not height or not width:
        raise BackendError(
            f"{path} does not say how large its pictures are: give --input-height and --input-width.",
            reason="bad_graph",
        )
    outputs = _outputs(path, run, height, width)
    labels = _labels(path, card, given.labels, outputs)
    taken = card.get("input", {})
    return OpenedClassifier(
        path, labels, height, width, taken.get("fit", "squash"), float(card.get("crop", 1.0)), run, card
    )


def _model_and_card(graph: Path) -> tuple[Path, dict[str, Any]]:
    if graph.is_dir() and not (graph / "saved_model.pb").exists():
        card = _read_card(graph / CARD_FILE)
        if "model" not in card:
            raise NotFoundError(f"{graph} is a folder without {CARD_FILE}: name the model file itself with --graph.")
        return graph / str(card["model"]), card
    own = card_path(graph)
    return graph, _read_card(own if own.is_file() else graph.parent / CARD_FILE)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BackendError(f"The model card {path} cannot be read: {error}", reason="bad_graph") from None
    return card if isinstance(card, dict) else {}


def _format_of(path: Path) -> str:
    if path.is_dir():
        return "savedmodel" if (path / "saved_model.pb").exists() else "openvino"
    name = FORMAT_OF_ENDING.get(path.suffix.lower())
    if name is None or name == "savedmodel":
        known = ", ".join(ending for ending in FORMAT_OF_ENDING if ending)
        raise BackendError(f"{path}: not a model; known endings: {known}, or a folder.", reason="bad_graph")
    return name


def _size(card: dict[str, Any]) -> tuple[int | None, int | None]:
    shape = card.get("input", {}).get("shape")
    if isinstance(shape, list) and len(shape) == 4:
        return shape[1], shape[2]
    return None, None


def _outputs(path: Path, run: Runner, height: int, width: int) -> int:
    try:
        return int(run(np.zeros((1, height, width, 3), dtype=np.uint8)).shape[-1])
    # Each runtime complains with a class of its own about a picture that does not fit.
    except Exception as error:  # noqa: BLE001
        raise BackendError(
            f"{path} cannot be asked about pictures of {width} x {height}: {error}. Do --input-height, --input-width, "
            "--input-layer and --output-layer fit it?",
            reason="bad_graph",
        ) from None


def _labels(path: Path, card: dict[str, Any], given: Path | None, outputs: int) -> tuple[str, ...]:
    if given is not None:
        labels, source = _read_labels(given), str(given)
    elif isinstance(card.get("labels"), list):
        labels, source = [str(label) for label in card["labels"]], "its card"
    else:
        found = next((path.parent / name for name in LABELS_NAMES if (path.parent / name).is_file()), None)
        if found is not None:
            labels, source = _read_labels(found), str(found)
        elif (names := class_names(path, outputs)) is not None:
            labels, source = names, CLASSES_FILE
        else:
            raise NotFoundError(f"No labels beside {path}: name the file with --labels, one label a line.")
    if len(labels) != outputs:
        raise BackendError(
            f"{source} has {len(labels)} labels, {path} gives {outputs} probabilities: give the file that belongs to it.",
            reason="bad_labels",
        )
    return tuple(labels)


def _read_labels(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"--labels {path} cannot be read: {error}") from None


@dataclass(frozen=True)
class Suggestion:
    """A label of a photo with its probability; `wnid` is its WordNet id where the labels are ImageNet's."""

    label: str
    probability: float
    wnid: str | None = None


def best(classifier: OpenedClassifier, probabilities: NDArray[np.float32], count: int) -> list[Suggestion]:
    """The likeliest labels of one photo, best first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    wnids = classifier.card.get("wnids")
    return [
        Suggestion(classifier.labels[place], float(probabilities[place]), wnids[place] if wnids else None)
        for place in order
    ]
