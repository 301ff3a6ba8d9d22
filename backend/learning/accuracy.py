"""The headline figure: how many of the photos that are still unlabelled a model version names rightly.

Only the evaluation sample, photos drawn at random and never learned from, says that without bias, and it is small: ten
photos after a hundred annotations. Prediction-powered inference (Angelopoulos et al., "Prediction-powered inference",
Science 2023; power tuning after "PPI++", 2023) adds what the model says of its own certainty on all other photos:

    estimate = mean(Y) - lambda (mean f on the evaluation sample - mean f on the unlabelled photos)

Y is 1 where the version was right and f its calibrated confidence. If f is calibrated, lambda = 1 is best and what is
left to chance is Y - f, which varies far less than Y.

The first evaluation photos are too few for the formula's own variances: eight right ones of eight would make an
interval of no width. Three things mend that. Covariances and variances start from what they are for a calibrated f, as
if `PRIOR_PHOTOS` photos had shown it. The mean of f over the unlabelled photos, which cross-validation has calibrated,
is an estimate of its own; the evaluation sample corrects it by as much as it knows better (shrinkage of the rectifier,
as in Li and Ignatiadis, "Prediction-powered adaptive shrinkage", 2025). And how far such means are off was measured,
see `TRANSFER` and `PER_CALIBRATOR`. With a growing sample the estimate becomes that of the formula, whatever f is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.evaluation import wilson_interval

Floats = NDArray[np.floating]

MINIMUM_PHOTOS = 3
"""Evaluation photos below which there is no figure."""

PRIOR_PHOTOS = 30.0
"""Photos that a calibrated confidence counts for in the variance and in lambda."""

TRANSFER = 0.3
"""How far the mean confidence lies from the true accuracy (root mean square), however many photos it was calibrated by,
in units of the standard deviation of one photo's being right, sqrt(mean f (1 - f)). In easy projects 0.06 to 0.2, in
hard ones 0.6: the photos that were answered are not like those that are left (docs/learning.md)."""

PER_CALIBRATOR = 1.5
"""Square of what comes on top, times the photos that it was calibrated by: each of them counts as two thirds of one
drawn at random."""

CONFLICT = 2.0
"""Standard errors between sample and confidence from which on the confidence counts less."""

_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True)
class AccuracyEstimate:
    """Accuracy on the photos that are still unlabelled. Plain numbers: goes to JSON and back unchanged.

    Attributes:
        value: share of them that is named rightly, [0, 1].
        low, high: 95 % interval, [0, 1].
        unlabelled: photos that the figure speaks of.
        evaluation_photos: annotated photos, drawn at random and not learned from, that it rests on.
        confidence: mean calibrated confidence in the unlabelled photos, [0, 1]: what the version itself expects.
    """

    value: float
    low: float
    high: float
    unlabelled: int
    evaluation_photos: int
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval, [0, 0.5]."""
        return (self.high - self.low) / 2

    def sentence(self) -> str:
        """For people, e.g. `0.966 (95 % interval 0.930 to 0.990) of 1,890 unlabelled photos`."""
        return f"{self.value:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}) of {self.unlabelled:,} unlabelled photos"

    def to_json(self) -> dict[str, Any]:
        """Only numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AccuracyEstimate:
        """The inverse of `to_json`. Raises TypeError when `stored` is something else."""
        return cls(**stored)


def estimate_accuracy(
    confidence: Floats, sample_confidence: Floats, right: Floats, calibrators: int
) -> AccuracyEstimate | None:
    """Accuracy on the unlabelled photos; None while fewer than `MINIMUM_PHOTOS` evaluation photos are annotated.

    Args:
        confidence: calibrated probability that the version is right, [N] in [0, 1], of each unlabelled photo.
        sample_confidence: the same of the annotated evaluation photos, [n].
        right: 1 where the version was right on an evaluation photo, 0 where not, [n].
        calibrators: how many photos tell how far the confidence is to be trusted; of few it has little say.

    Raises:
        ValueError: the arrays of the evaluation sample differ in length.
    """
    if len(sample_confidence) != len(right):
        raise ValueError(f"{len(sample_confidence)} confidences and {len(right)} answers of the evaluation sample")
    n, unlabelled = len(right), len(confidence)
    if n < MINIMUM_PHOTOS or unlabelled == 0:
        return None
    everyone = np.asarray(confidence, dtype=np.float64)
    sample, answers = np.asarray(sample_confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    expected = float(everyone.mean())
    chance = float((everyone * (1 - everyone)).mean())  # variance of Y - f for a calibrated f
    spread = float(everyone.var())
    # lambda = Cov(Y, f) / ((1 + n/N) Var f); for a calibrated f both are its spread.
    centred = sample - sample.mean()
    together = (float(centred @ (answers - answers.mean())) + PRIOR_PHOTOS * spread) / (n + PRIOR_PHOTOS)
    alone = (float(centred @ centred) + PRIOR_PHOTOS * spread) / (n + PRIOR_PHOTOS)
    power = float(np.clip(together / ((1 + n / unlabelled) * alone), 0.0, 1.0)) if alone > 0 else 1.0
    powered = float(answers.mean()) - power * (float(sample.mean()) - expected)
    residual = answers - power * sample
    left = (float(((residual - residual.mean()) ** 2).sum()) + PRIOR_PHOTOS * chance) / (n + PRIOR_PHOTOS)
    # The rest of a photo's own chance: a floor, so that certain photos do not make the interval vanish.
    floor = 1.0 / (n + PRIOR_PHOTOS) ** 2
    from_sample = max(left, floor) / n + power**2 * spread / unlabelled
    # Where the sample contradicts the confidence by more than chance, the confidence loses its say.
    surprise = (powered - expected) ** 2 - CONFLICT**2 * from_sample
    transfer = TRANSFER**2 + PER_CALIBRATOR / max(calibrators, 1)
    from_confidence = max(transfer * max(chance, floor), surprise)
    value = expected + (powered - expected) * from_confidence / (from_confidence + from_sample)
    variance = from_confidence * from_sample / (from_confidence + from_sample) + max(chance, floor) / unlabelled
    reach = _Z * float(np.sqrt(variance))
    value = float(np.clip(value, 0.0, 1.0))
    return AccuracyEstimate(value, max(value - reach, 0.0), min(value + reach, 1.0), unlabelled, n, expected)


def accuracy_of_sample(right: NDArray[np.bool_], unlabelled: int) -> AccuracyEstimate | None:
    """The evaluation sample alone, with Wilson's interval: where no confidence is calibrated. None as in
    `estimate_accuracy`.

    Args:
        right: whether the version was right on each annotated evaluation photo, [n].
        unlabelled: how many photos are unlabelled.
    """
    if len(right) < MINIMUM_PHOTOS or unlabelled == 0:
        return None
    low, high = wilson_interval(int(right.sum()), len(right))
    share = float(right.mean())
    return AccuracyEstimate(share, low, high, unlabelled, len(right), share)
