"""The figures that are kept with a model version: one headline, and what else was measured under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.accuracy import AccuracyEstimate, accuracy_of_sample, estimate_accuracy
from backend.learning.evaluation import Evaluation, decide_labels, evaluate

Floats = NDArray[np.floating]

HEADLINE = "accuracy"
SAMPLE = "evaluation_sample"
CROSSED = "cross_validation"


@dataclass(frozen=True)
class Figures:
    """What was measured of a version.

    Attributes:
        accuracy: the headline: on the photos that are still unlabelled; None: not known yet.
        sample: on the annotated photos of the evaluation sample alone; None without any.
        crossed: by cross-validation on annotated photos, as releases before the headline measured where they had no
            evaluation photo; these were chosen because they are hard: never *the* accuracy.
    """

    accuracy: AccuracyEstimate | None = None
    sample: Evaluation | None = None
    crossed: Evaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """Only dicts, lists, numbers, booleans and None."""
        return {
            HEADLINE: None if self.accuracy is None else self.accuracy.to_json(),
            **({} if self.sample is None else {SAMPLE: self.sample.to_json()}),
            **({} if self.crossed is None else {CROSSED: self.crossed.to_json()}),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Figures:
        """The inverse of `to_json`; also reads what releases before the headline stored: the evaluation sample."""
        if "photos" in stored:
            old = {name: value for name, value in stored.items() if name != "judged_by"}
            found = Evaluation.from_json(old)
            return cls(crossed=found) if stored.get("judged_by") == "cross-validation" else cls(sample=found)
        accuracy, sample, crossed = (stored.get(name) for name in (HEADLINE, SAMPLE, CROSSED))
        return cls(
            None if accuracy is None else AccuracyEstimate.from_json(accuracy),
            None if sample is None else Evaluation.from_json(sample),
            None if crossed is None else Evaluation.from_json(crossed),
        )


def measure(
    probabilities: Floats,
    unlabelled: NDArray[np.bool_],
    held_out: tuple[NDArray[np.integer], Floats],
    *,
    calibrators: int,
    multiple: bool = False,
) -> Figures:
    """The figures of a version that believes `probabilities` [n, L] of a pool of n photos.

    Args:
        unlabelled: bool [n], the photos that nobody answered yet.
        held_out: annotated rows of the evaluation sample [e], and their targets [e, L].
        calibrators: held-out photos that tell how far the probabilities are to be trusted; 0: there are none, and the
            headline rests on the evaluation sample alone.
        multiple: whether several labels may hold; a photo is right where the whole set is.
    """
    rows, targets = held_out
    sample = evaluate(probabilities[rows], targets, multiple=multiple) if len(rows) else None
    right = (decide_labels(probabilities[rows], multiple) == decide_labels(targets, multiple)).all(axis=1)
    if multiple or not calibrators:  # a set's probability follows from no calibration that we know of
        accuracy = accuracy_of_sample(right, int(unlabelled.sum()))
    else:
        confidence = probabilities.max(axis=1)
        accuracy = estimate_accuracy(confidence[unlabelled], confidence[rows], right, calibrators)
    return Figures(accuracy, sample)
