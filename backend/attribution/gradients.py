"""Integrated gradients and Grad-CAM on a Keras classifier.

Sources: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks" (2017); R. R. Selvaraju et al.,
"Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017). Points where the path needs
them: A. Bhat, A. Raychowdhury, "Non-Uniform Interpolation in Integrated Gradients for Low-Latency Explainable-AI" (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BATCH = 16
STEPS = 8
REFINED = 4  # parts of the path that are halved at once
MAX_STEPS = 256
TOLERANCE = 0.05
MIN_DIFFERENCE = 0.1  # of probability; where photo and baseline are nearer, the error is a share of this

_TINY = 1e-12  # added to a probability before its logarithm


@dataclass(frozen=True)
class Look:
    """What a network says of pictures, and why.

    Attributes:
        label: the one that was asked about.
        probabilities: [n, L].
        gradients: of the label's probability, [n, h, w, 3].
        cam: Grad-CAM of the first picture, [y, x] in [0, 1], 1 = most; None: there is no last convolutional layer.
    """

    label: int
    probabilities: Floats
    gradients: Floats
    cam: Floats | None


@dataclass(frozen=True)
class AttributedModel:
    """A classifier taken apart for attribution.

    Attributes:
        probabilities: normalised pixels, a tensor [n, h, w, 3], to a tensor of probabilities [n, L].
        split: the same in two: pixels to the last convolutional features, a list of [n, y, x, c] (one for each network,
            where several stand side by side), and these to probabilities; None where a network has no such layer.
    """

    probabilities: Callable[[Any], Any]
    split: tuple[Callable[[Any], list[Any]], Callable[[list[Any]], Any]] | None = None
    _compiled: dict[tuple[int, ...], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def look(self, pixels: Floats, label: int | None) -> Look:
        """Look at pictures [n, h, w, 3]; label None: the likeliest of the first.

        The network is compiled for a size of picture when it is first seen, which takes seconds: run as it stands it
        would take three times as long, and work out gradients of its weights that nobody asked for.
        """
        from backend.frameworks import tf

        size = pixels.shape[1:]
        if size not in self._compiled:
            picture, number = tf.TensorSpec([None, *size], tf.float32), tf.TensorSpec([], tf.int32)
            self._compiled[size] = tf.function(self._looked, autograph=False).get_concrete_function(picture, number)
        wanted = tf.constant(-1 if label is None else label, tf.int32)
        chosen, probabilities, gradients, cam = self._compiled[size](tf.constant(pixels, tf.float32), wanted)
        return Look(
            int(chosen),
            np.asarray(probabilities),
            np.asarray(gradients),
            None if self.split is None else np.asarray(cam),
        )

    def _looked(self, pixels: Any, label: Any) -> tuple[Any, Any, Any, Any]:
        from backend.frameworks import tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pixels)
            features: list[Any] = []
            if self.split is None:
                probabilities = self.probabilities(pixels)
            else:
                before, after = self.split
                features = before(pixels)
                probabilities = after(features)
            likeliest = tf.argmax(probabilities[0], output_type=tf.int32)
            chosen = tf.where(label < 0, likeliest, label)
            asked = tf.gather(probabilities, chosen, axis=1)
            # The logarithm keeps the gradient of a label that is nearly certain.
            value = tf.math.log(asked + _TINY)
        by_pixels, *by_features = tape.gradient(value, [pixels, *features])
        gradients = by_pixels * (asked + _TINY)[:, None, None, None]
        return chosen, probabilities, gradients, _cam(features, by_features)


@dataclass(frozen=True)
class IntegratedGradients:
    """What each pixel adds to the probability.

    Attributes:
        values: float32 [h, w, 3]; they sum to about `difference`.
        difference: probability of the photo minus that of the baseline.
        error: completeness error, |sum of values - difference| / |difference|, at least 0; of 0.1 where that is more.
        steps: points of the path that were looked at.
    """

    values: Floats
    difference: float
    error: float
    steps: int


def integrated_gradients(
    model: AttributedModel,
    pixels: Floats,
    label: int,
    baseline: Floats,
    *,
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> IntegratedGradients:
    """Gradients of the label's probability, summed along the straight path from `baseline` to `pixels` [h, w, 3].

    The path begins with `steps` points (an even number, and one more) in parts of three, each summed by Simpson's rule.
    The probability at both ends of a part tells how much is missing from it: while the completeness error of the whole
    is above `tolerance`, the parts that miss most are halved, up to 256 points. Every point that was looked at counts.
    """
    path = _Path(model, pixels, label, baseline)
    ends = np.linspace(0, 1, max(1, steps // 2) + 1).tolist()
    parts = list(pairwise(ends))
    path.look_at([*ends, *(_middle(*part) for part in parts)])
    difference = path.probability[1.0] - path.probability[0.0]
    while True:
        missing = [path.missing(*part) for part in parts]
        error = abs(sum(missing)) / max(abs(difference), MIN_DIFFERENCE)
        if error <= tolerance or len(path.probability) + 2 * REFINED > MAX_STEPS:
            return IntegratedGradients(path.summed(parts), difference, error, len(path.probability))
        worst = sorted(range(len(parts)), key=lambda place: -abs(missing[place]))[:REFINED]
        halves = [half for place in worst for half in _halved(*parts[place])]
        path.look_at([_middle(*half) for half in halves])
        parts = [part for place, part in enumerate(parts) if place not in worst] + halves


class _Path:
    """The straight path from a baseline to a picture, and what was seen at its points in [0, 1]."""

    def __init__(self, model: AttributedModel, pixels: Floats, label: int, baseline: Floats) -> None:
        self._model, self._label, self._baseline = model, label, baseline
        self._way = pixels - baseline
        self._gradient: dict[float, Floats] = {}
        self._slope: dict[float, float] = {}
        self.probability: dict[float, float] = {}

    def look_at(self, points: Sequence[float]) -> None:
        """See what the network says at these points."""
        for start in range(0, len(points), BATCH):
            some = points[start : start + BATCH]
            along = np.asarray(some, np.float32)[:, None, None, None]
            seen = self._model.look(self._baseline + along * self._way, self._label)
            for place, point in enumerate(some):
                self.probability[point] = float(seen.probabilities[place, self._label])
                self._gradient[point] = seen.gradients[place]
                self._slope[point] = float((self._way * seen.gradients[place]).sum(dtype=np.float64))

    def missing(self, start: float, end: float) -> float:
        """What Simpson's rule gives of a part, less what the probability rises by."""
        slopes = sum(weight * self._slope[point] for point, weight in _simpson(start, end))
        return slopes - (self.probability[end] - self.probability[start])

    def summed(self, parts: Sequence[tuple[float, float]]) -> Floats:
        """What each pixel adds over all parts, [h, w, 3]."""
        total: NDArray[np.float64] = np.zeros(self._way.shape)
        for part in parts:
            for point, weight in _simpson(*part):
                total += weight * self._gradient[point]
        return np.asarray(self._way * total, dtype=np.float32)


def _simpson(start: float, end: float) -> tuple[tuple[float, float], ...]:
    """The points of a part with their weights."""
    sixth = (end - start) / 6
    return (start, sixth), (_middle(start, end), 4 * sixth), (end, sixth)


def _halved(start: float, end: float) -> tuple[tuple[float, float], tuple[float, float]]:
    middle = _middle(start, end)
    return (start, middle), (middle, end)


def _middle(start: float, end: float) -> float:
    return (start + end) / 2


def grad_cam(model: AttributedModel, pixels: Floats, label: int) -> Floats | None:
    """Where the last convolutional features speak for the label: float32 [y, x] in [0, 1], 1 = most; None: no such layer.

    The maps of several networks side by side are added at the size of the finest.
    """
    return model.look(pixels[None], label).cam


def _cam(features: Sequence[Any], gradients: Sequence[Any]) -> Any:
    """Grad-CAM of the first picture, from the features [n, y, x, c] of each network and their gradients: [y, x]."""
    from backend.frameworks import tf

    if not features:
        return tf.zeros([0, 0])
    size = max((int(part.shape[1]), int(part.shape[2])) for part in features)
    total = tf.zeros(size)
    for part, gradient in zip(features, gradients, strict=True):
        # Summed, not averaged: the pool divides by the number of places, and grids of any size then weigh alike.
        weights = tf.reduce_sum(gradient[:1], axis=(1, 2), keepdims=True)
        map_of = tf.reduce_sum(weights * part[:1], axis=-1, keepdims=True)
        total += tf.image.resize(map_of, size)[0, :, :, 0]
    found = tf.nn.relu(total)
    return found / tf.maximum(tf.reduce_max(found), 1e-12)


def deletion_curve(
    probability: Callable[[Floats], Floats], pixels: Floats, baseline: Floats, importance: Floats, points: int = 20
) -> Floats:
    """Probabilities float32 [points + 1] while the most important pixels become those of the baseline, from none to all.

    A good map makes the curve fall early. Swapping `pixels` and `baseline` gives the insertion curve.
    Source: V. Petsiuk, A. Das, K. Saenko, "RISE" (2018).
    """
    order = np.argsort(-importance.ravel(), kind="stable")
    pictures = []
    for point in range(points + 1):
        picture = pixels.copy().reshape(-1, 3)
        gone = order[: round(len(order) * point / points)]
        picture[gone] = baseline.reshape(-1, 3)[gone]
        pictures.append(picture.reshape(pixels.shape))
    return probability(np.stack(pictures))
