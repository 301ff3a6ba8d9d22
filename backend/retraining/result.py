"""What a retraining ended with: its accuracy on photos it never saw, its mistakes, and their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import ImageError
from backend.learning.evaluation import Evaluation, evaluate
from backend.learning.head_inference import Head
from backend.retraining.class_folders import Side
from backend.retraining.dataset import Dataset, Pixels
from backend.retraining.summaries import MAX_MISTAKES, MAX_THUMBNAILS, THUMBNAIL, Summaries

MISTAKE_SIZE = 224  # pixels of a mistake's picture, both ways


@dataclass(frozen=True)
class Mistake:
    """A test photo that was taken for another class."""

    path: Path
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Retrained:
    """What a retraining ended with; `testing` is None where no photo was held out."""

    classes: tuple[str, ...]
    counts: dict[Side, int]
    testing: Evaluation | None
    mistakes: list[Mistake]
    unreadable: list[tuple[Path, ImageError]]
    embedded: int  # photos whose bottleneck was not there yet
    int8_agreement: float | None = None
    resumed_from: int = 0


def judge_on_tests(head: Head, data: Dataset) -> tuple[Evaluation | None, list[Mistake]]:
    """How a head does on the photos held out for testing; None where there are none."""
    rows = data.rows("testing")
    if not len(rows):
        return None, []
    probabilities = head.predict(data.features[rows])
    mistakes = [
        Mistake(
            data.photos.paths[row],
            data.classes[data.labels[row]],
            data.classes[int(answer.argmax())],
            float(answer.max()),
        )
        for row, answer in zip(rows, probabilities, strict=True)
        if answer.argmax() != data.labels[row]
    ]
    return evaluate(probabilities, data.targets(rows)), mistakes


def show_result(summaries: Summaries, result: Retrained, data: Dataset, pixels: Pixels, step: int) -> None:
    """Mistakes, the confusion matrix and the map of the photos, for TensorBoard."""
    worst = sorted(result.mistakes, key=lambda mistake: -mistake.probability)[:MAX_MISTAKES]
    if worst:
        sentences = [
            f"{item.path.name}: {item.label}, taken for {item.predicted} ({item.probability:.2f})" for item in worst
        ]
        summaries.mistakes(step, pixels.of([item.path for item in worst], MISTAKE_SIZE), sentences)
    if result.testing is not None:
        summaries.confusion(step, result.testing.confusion_matrix(len(data.classes)), data.classes)
    count = len(data.photos.paths)
    rows = np.unique(np.linspace(0, count - 1, min(count, MAX_THUMBNAILS)).astype(int))
    paths = [data.photos.paths[row] for row in rows]
    shown = [
        (data.classes[data.labels[row]], str(data.sides[row]), str(path)) for row, path in zip(rows, paths, strict=True)
    ]
    summaries.projector(data.photos.embeddings[rows], shown, pixels.of(paths, THUMBNAIL))
    summaries.close()
