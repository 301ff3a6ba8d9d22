"""Calibration: do predicted probabilities come true as often as they say?

Temperature scaling and expected calibration error after Guo et al., "On Calibration of Modern Neural Networks"
(ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softplus

Floats = NDArray[np.floating]

MINIMUM_PHOTOS = 20
SMALLEST = 1e-6  # probability below which a label counts as impossible
LOWEST_TEMPERATURE = 0.05
HIGHEST_TEMPERATURE = 20.0


@dataclass(frozen=True)
class Reliability:
    """One row per confidence bin; all arrays are [bins]."""

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]  # mean confidence in the bin, [0, 1]; 0 where it is empty
    accuracy: NDArray[np.float64]  # share that came true, [0, 1]; 0 where it is empty

    @property
    def expected_error(self) -> float:
        """Expected calibration error, [0, 1]: |accuracy - confidence| averaged over photos; 0 = calibrated."""
        total = int(self.counts.sum())
        if total == 0:
            return 0.0
        return float(np.sum(self.counts * np.abs(self.accuracy - self.confidence)) / total)


def reliability(confidence: Floats, correct: NDArray[np.bool_], *, bins: int = 15) -> Reliability:
    """Sort predictions into equally wide bins by confidence in [0, 1] (both arrays [n])."""
    places = np.clip(np.ceil(np.asarray(confidence, dtype=np.float64) * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    divisor = np.maximum(counts, 1)
    return Reliability(
        counts=counts,
        confidence=np.bincount(places, weights=confidence, minlength=bins) / divisor,
        accuracy=np.bincount(places, weights=correct, minlength=bins) / divisor,
    )


def cross_entropy(logits: Floats, targets: Floats, *, multiple: bool = False) -> float:
    """Mean negative log-likelihood, >= 0, of targets [n, L] under logits [n, L].

    `multiple`: mean over photos and labels of the binary cross-entropy; else the targets of a row sum to 1.
    """
    logits64 = np.asarray(logits, dtype=np.float64)
    if multiple:
        return float(np.mean(softplus(logits64) - targets * logits64))
    return float(-np.mean(np.sum(targets * log_softmax(logits64, axis=1), axis=1)))


def fit_temperature(logits: Floats, targets: Floats, *, multiple: bool = False) -> float:
    """The temperature T in [0.05, 20] that minimises the cross-entropy of `logits / T` on held-out photos.

    Dividing by T changes no ranking. With no photos it is 1. As in Platt's scaling (1999) one imaginary photo more is
    taken to be wrong: a handful of photos that all happen to be right must not make the model certain.
    """
    if len(logits) == 0:
        return 1.0
    doubt = 1.0 / (len(logits) + 2)
    targets = targets * (1 - doubt) + doubt * (0.5 if multiple else 1.0 / logits.shape[1])

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / np.exp(log_temperature), targets, multiple=multiple)

    found = minimize_scalar(
        loss,
        bounds=(np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def temperature_of(probabilities: Floats, targets: Floats) -> float:
    """The temperature, see `fit_temperature`, for probabilities [m, L] of held-out photos; 1 with few of them.

    With fewer than `MINIMUM_PHOTOS` it would be noise.
    """
    if len(probabilities) < MINIMUM_PHOTOS:
        return 1.0
    return fit_temperature(np.log(np.maximum(probabilities, SMALLEST)), targets)


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [n, L] raised to 1 / `temperature` and scaled to sum to 1: below 1 sharper, above 1 softer.

    No ranking of labels within a photo changes.
    """
    if temperature == 1.0:
        return probabilities
    logits: NDArray[np.float32] = np.log(np.maximum(probabilities, np.float32(SMALLEST)))
    logits /= np.float32(temperature)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
