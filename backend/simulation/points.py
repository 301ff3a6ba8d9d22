"""A point of a simulated curve: how good what is believed is, on test photos and on those that nobody labelled yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.calibration import reliability

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class CurvePoint:
    """How good the predictions are after so many labels; shares in [0, 1].

    Attributes:
        accuracy: on the test photos.
        macro_f1: on the test photos.
        unlabelled_accuracy: on the photos of the pool that nobody labelled yet, what a team sees as suggestions; None:
            none is left, or the learner says nothing of the pool.
        distractors_known: share of the distractors among those that are called `Not relevant`; None: there are none.
        false_alarms: share of the others that are called so; None where the pool has no distractors.
        unlabelled_shown: mean probability of the suggestions on the photos that nobody labelled yet.
        calibration_error: expected calibration error of these suggestions, ten bins; 0 = as sure as right.
        distractors_shown: mean probability of the likeliest label of the project on distractors; None: there are none.
    """

    strategy: str
    seed: int
    labels: int
    accuracy: float
    macro_f1: float
    unlabelled_accuracy: float | None = None
    distractors_known: float | None = None
    false_alarms: float | None = None
    unlabelled_shown: float | None = None
    calibration_error: float | None = None
    distractors_shown: float | None = None


def suggestions(
    probabilities: FloatArray, answers: IntArray, unlabelled: NDArray[np.bool_], n_classes: int
) -> dict[str, float | None]:
    """How good suggestions are where nobody answered: the figures of a `CurvePoint`.

    Args:
        probabilities: float32 [n, L], what is believed.
        answers: int [n], what the annotator would say; `n_classes` or more: the photo does not belong.
        unlabelled: bool [n].
        n_classes: labels that are not for what does not belong.
    """
    stranger = answers >= n_classes
    predicted, shown = probabilities.argmax(axis=1), probabilities.max(axis=1)
    alarm = predicted >= n_classes

    def mean(values: NDArray[Any], rows: NDArray[np.bool_]) -> float | None:
        return float(values[rows].mean()) if rows.any() else None

    error = reliability(shown[unlabelled], predicted[unlabelled] == answers[unlabelled], bins=10).expected_error
    return {
        "unlabelled_accuracy": mean(predicted == answers, unlabelled),
        "distractors_known": mean(alarm, unlabelled & stranger),
        "false_alarms": mean(alarm, unlabelled & ~stranger) if stranger.any() else None,
        "unlabelled_shown": mean(shown, unlabelled),
        "calibration_error": error if unlabelled.any() else None,
        "distractors_shown": mean(probabilities[:, :n_classes].max(axis=1), unlabelled & stranger),
    }


def measured(
    strategy: str, seed: int, labels: int, predicted: IntArray, truth: IntArray, **on_pool: float | None
) -> CurvePoint:
    """A point of the curve; `on_pool`: the figures of `suggestions`."""
    from sklearn.metrics import f1_score

    accuracy = float((predicted == truth).mean())
    macro = float(f1_score(truth, predicted, average="macro", labels=np.unique(truth), zero_division=0.0))
    return CurvePoint(strategy, seed, labels, accuracy, macro, **on_pool)
