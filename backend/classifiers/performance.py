"""How good a classifier is on photos whose classes are known: folders of class folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backend.classifiers.opening import OpenedClassifier
from backend.classifiers.photos import PhotoSource, ask
from backend.errors import ImageError, NotFoundError
from backend.folders.embedding import read_photo
from backend.learning.calibration import Reliability, reliability
from backend.learning.evaluation import Evaluation, evaluate
from backend.retraining.class_folders import Side, read_class_folders, side_of
from backend.settings import Settings

Which = Side | Literal["all"]

DEFAULT_PERCENTAGE = 10.0


@dataclass(frozen=True)
class Performance:
    """What a classifier is worth on n photos.

    Attributes:
        labels: names of the classifier's outputs, L.
        truth: true class of each photo, an index of `labels`.
        probabilities: float32 [n, L].
        evaluation: the figures.
        calibration: how often each confidence came true.
        unreadable: photos that were left out, with the reason.
        warnings: what a person should know.
    """

    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    truth: NDArray[np.intp]
    probabilities: NDArray[np.float32]
    evaluation: Evaluation
    calibration: Reliability
    unreadable: tuple[tuple[str, ImageError], ...]
    warnings: tuple[str, ...]

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The likeliest class of each photo [n]."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.intp)

    def worst(self, count: int) -> list[int]:
        """Rows of the mistakes, the most confident first."""
        wrong = np.flatnonzero(self.predicted != self.truth)
        confidence = self.probabilities[wrong].max(axis=1)
        return [int(row) for row in wrong[np.argsort(-confidence, kind="stable")][:count]]

    def to_json(self) -> dict[str, Any]:
        """Everything in figures and names."""
        evaluation = self.evaluation.to_json()
        evaluation["labels"] = [item | {"name": self.labels[item["label"]]} for item in evaluation["labels"]]
        return {
            "labels": list(self.labels),
            "evaluation": evaluation,
            "calibration": {
                "photos": self.calibration.counts.tolist(),
                "confidence": self.calibration.confidence.tolist(),
                "accuracy": self.calibration.accuracy.tolist(),
            },
            "mistakes": [
                {
                    "photo": str(self.paths[row]),
                    "label": self.labels[self.truth[row]],
                    "predicted": self.labels[self.predicted[row]],
                    "probability": float(self.probabilities[row].max()),
                }
                for row in self.worst(len(self.paths))
            ],
            "unreadable": [{"photo": name, "reason": str(error)} for name, error in self.unreadable],
            "warnings": list(self.warnings),
        }


def measure(
    classifier: OpenedClassifier,
    directory: Path,
    settings: Settings,
    *,
    side: Which = "all",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Performance:
    """Ask the classifier about the photos below `directory`, whose class folders are the truth.

    Args:
        side: `testing` and so on: only the photos that were on that side when the model was retrained (percentages
            from its card).

    Raises:
        NotFoundError: no class folder has a name that the classifier knows, or no photo is on that side.
    """
    folders = read_class_folders(directory)
    known, strange = _matched(folders.classes, classifier.labels)
    warnings = [*folders.warnings]
    if strange:
        warnings.append(f"Folders whose class the model does not know, left out: {', '.join(strange)}.")
    testing = float(classifier.card.get("testing_percentage", DEFAULT_PERCENTAGE))
    validation = float(classifier.card.get("validation_percentage", DEFAULT_PERCENTAGE))
    photos = [
        (path, known[folders.classes[label]])
        for path, label in zip(folders.paths, folders.labels, strict=True)
        if folders.classes[label] in known and (side == "all" or side_of(directory, path, testing, validation) == side)
    ]
    if not photos:
        raise NotFoundError(
            f"{directory}: no photo to measure on. The model knows {', '.join(classifier.labels[:10])}…; folders must "
            f"have these names{'' if side == 'all' else f', and photos on the side {side}'}."
        )
    sources = [PhotoSource(str(path), partial(read_photo, path, settings.max_image_bytes)) for path, _ in photos]
    rows, answers, unreadable = [], [], []
    progress(0, len(sources))
    for place, answer in enumerate(ask(classifier, sources, settings)):
        if answer.probabilities is None:
            unreadable.append((answer.name, answer.error or ImageError("unreadable")))
        else:
            rows.append(place)
            answers.append(answer.probabilities)
        progress(place + 1, len(sources))
    if not rows:
        name, error = unreadable[0]
        raise NotFoundError(f"None of the {len(photos)} photos can be read; the first, {name}: {error}")
    probabilities = np.stack(answers)
    truth = np.array([photos[row][1] for row in rows], dtype=np.intp)
    evaluation = evaluate(probabilities, np.eye(len(classifier.labels), dtype=np.float32)[truth])
    right = probabilities.argmax(axis=1) == truth
    return Performance(
        classifier.labels,
        tuple(photos[row][0] for row in rows),
        truth,
        probabilities,
        evaluation,
        reliability(probabilities.max(axis=1), right),
        tuple(unreadable),
        tuple(warnings),
    )


def _matched(folders: Sequence[str], labels: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Label of each class folder, and the folders without one; older programs wrote labels in lower case, with blanks."""
    exact = {label: place for place, label in enumerate(labels)}
    plain = {_plain(label): place for place, label in reversed(list(enumerate(labels)))}
    found: dict[str, int] = {}
    strange: list[str] = []
    for name in folders:
        place = exact.get(name, plain.get(_plain(name)))
        if place is None:
            strange.append(name)
        else:
            found[name] = place
    return found, strange


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.lower()).strip()
