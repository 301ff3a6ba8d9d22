"""Evaluation of predicted probabilities against annotations that were held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.calibration import reliability

Floats = NDArray[np.floating]

THRESHOLD = 0.5  # from which probability on a label is predicted where a photo may have several


@dataclass(frozen=True)
class LabelScore:
    """How one label fared; precision, recall and f1 in [0, 1], 0 where nothing was predicted or annotated."""

    label: int
    precision: float
    recall: float
    f1: float
    support: int  # held-out photos annotated with it


@dataclass(frozen=True)
class Evaluation:
    """What a model version is worth on held-out photos. Plain numbers: goes to JSON and back unchanged."""

    photos: int
    accuracy: float  # [0, 1]; with several labels a photo: the share whose label set is exactly right
    accuracy_low: float  # 95 % Wilson interval
    accuracy_high: float
    macro_f1: float  # [0, 1], mean over the labels that were annotated or predicted
    calibration_error: float  # expected calibration error, [0, 1], 0 = calibrated
    labels: tuple[LabelScore, ...]  # those that were annotated or predicted
    confusion: tuple[tuple[int, int, int], ...]  # (annotated, predicted, photos), non-zero cells; empty if `multiple`
    multiple: bool = False

    def summary(self) -> str:
        """One line for people: `accuracy 0.912 (95 % CI 0.880 to 0.936, 400 photos), macro-F1 0.905, ECE 0.031`."""
        return (
            f"accuracy {self.accuracy:.3f} (95 % CI {self.accuracy_low:.3f} to {self.accuracy_high:.3f}, "
            f"{self.photos} photos), macro-F1 {self.macro_f1:.3f}, ECE {self.calibration_error:.3f}"
        )

    def confusion_matrix(self, n_labels: int) -> NDArray[np.int64]:
        """Photos by annotated label (row) and predicted label (column), [L, L]."""
        matrix = np.zeros((n_labels, n_labels), dtype=np.int64)
        for annotated, predicted, photos in self.confusion:
            matrix[annotated, predicted] = photos
        return matrix

    def to_json(self) -> dict[str, Any]:
        """Only dicts, lists, numbers and booleans."""
        found = asdict(self)
        found["labels"] = list(found["labels"])
        found["confusion"] = [list(cell) for cell in self.confusion]
        return found

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_json`. Raises KeyError or TypeError when `stored` is something else."""
        fields = dict(stored)
        labels = tuple(LabelScore(**item) for item in fields.pop("labels"))
        confusion = tuple((int(a), int(b), int(c)) for a, b, c in fields.pop("confusion"))
        return cls(labels=labels, confusion=confusion, **fields)


def evaluate(probabilities: Floats, targets: Floats, *, multiple: bool = False) -> Evaluation:
    """Compare probabilities [n, L] with annotations [n, L].

    One label a photo: the largest probability against the largest target. With `multiple`: every label whose
    probability, or target, is at least 0.5.

    Raises:
        ValueError: shapes differ, or there is no photo.
    """
    if probabilities.shape != targets.shape or probabilities.ndim != 2:
        raise ValueError(f"probabilities {probabilities.shape} and targets {targets.shape} must both be [n, L]")
    if len(targets) == 0:
        raise ValueError("no held-out photo to evaluate on")
    predicted, annotated = decide_labels(probabilities, multiple), decide_labels(targets, multiple)
    right = (predicted == annotated).all(axis=1)
    if multiple:
        confidence = np.maximum(probabilities, 1 - probabilities).ravel()
        curve = reliability(confidence, (predicted == annotated).ravel())
        confusion: tuple[tuple[int, int, int], ...] = ()
    else:
        curve = reliability(probabilities.max(axis=1), right)
        confusion = _confusion(annotated.argmax(axis=1), predicted.argmax(axis=1))
    low, high = wilson_interval(int(right.sum()), len(right))
    scores = _label_scores(annotated, predicted)
    return Evaluation(
        photos=len(right),
        accuracy=float(right.mean()),
        accuracy_low=low,
        accuracy_high=high,
        macro_f1=float(np.mean([score.f1 for score in scores])) if scores else 0.0,
        calibration_error=curve.expected_error,
        labels=scores,
        confusion=confusion,
        multiple=multiple,
    )


def photo_scores(probabilities: Floats, targets: Floats, *, multiple: bool = False) -> NDArray[np.float64]:
    """Per photo [n] in [0, 1], 1 = right. With `multiple`: intersection over union of the two label sets."""
    predicted, annotated = decide_labels(probabilities, multiple), decide_labels(targets, multiple)
    if not multiple:
        return np.asarray((predicted == annotated).all(axis=1), dtype=np.float64)
    union = (predicted | annotated).sum(axis=1)
    both = (predicted & annotated).sum(axis=1)
    return np.where(union == 0, 1.0, both / np.maximum(union, 1))


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share; (0, 1) when nothing was tried. Written out: scipy.stats loads for seconds."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = successes / trials, 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == trials else centre + half


def decide_labels(values: Floats, multiple: bool) -> NDArray[np.bool_]:
    """The labels that values [n, L] speak for, bool [n, L]: the largest of a row; where several may hold, from 0.5."""
    if multiple:
        return np.asarray(values >= THRESHOLD)
    chosen = np.zeros(values.shape, dtype=np.bool_)
    chosen[np.arange(len(values)), np.argmax(values, axis=1)] = True
    return chosen


def _confusion(annotated: NDArray[np.int64], predicted: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    cells, counts = np.unique(np.stack([annotated, predicted], axis=1), axis=0, return_counts=True)
    return tuple((int(row), int(column), int(photos)) for (row, column), photos in zip(cells, counts, strict=True))


def _label_scores(annotated: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[LabelScore, ...]:
    """Of each label that was annotated or predicted anywhere; what would divide by nothing is 0."""
    right, said, support = (np.count_nonzero(of, axis=0) for of in (annotated & predicted, predicted, annotated))
    return tuple(
        LabelScore(
            int(label),
            precision=float(right[label] / max(said[label], 1)),
            recall=float(right[label] / max(support[label], 1)),
            f1=float(2 * right[label] / (said[label] + support[label])),
            support=int(support[label]),
        )
        for label in np.flatnonzero(said + support)
    )
