"""Integrated gradients and Grad-CAM on a Keras classifier.

Sources: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks" (2017); R. R. Selvaraju et al.,
"Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BATCH = 16
STEPS = 32
MAX_STEPS = 1024
TOLERANCE = 0.05
MIN_DIFFERENCE = 0.1  # of probability; where photo and baseline are nearer, the error is a share of this


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

    The steps are doubled while the completeness error is above `tolerance`, up to 1,024. They lie at the nodes of
    Gauss-Legendre quadrature, so that few are needed.
    """
    ends = _probability(model, np.stack([baseline, pixels]), label)
    difference = float(ends[1] - ends[0])
    while True:
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        total = np.zeros_like(pixels, dtype=np.float64)
        for start in range(0, steps, BATCH):
            along = ((nodes[start : start + BATCH] + 1) / 2).astype(np.float32)[:, None, None, None]
            gradients = _gradients(model, baseline + along * (pixels - baseline), label)
            total += np.tensordot(weights[start : start + BATCH] / 2, gradients, axes=1)
        values = ((pixels - baseline) * total).astype(np.float32)
        error = abs(float(values.sum(dtype=np.float64)) - difference) / max(abs(difference), MIN_DIFFERENCE)
        if error <= tolerance or 2 * steps > MAX_STEPS:
            return IntegratedGradients(values, difference, error, steps)
        steps *= 2


def grad_cam(model: AttributedModel, pixels: Floats, label: int) -> Floats | None:
    """Where the last convolutional features speak for the label: float32 [y, x] in [0, 1], 1 = most; None: no such layer.

    The maps of several networks side by side are added at the size of the finest.
    """
    if model.split is None:
        return None
    import tensorflow as tf

    before, after = model.split
    features = [tf.convert_to_tensor(part) for part in before(tf.constant(pixels[None]))]
    with tf.GradientTape() as tape:
        tape.watch(features)
        probabilities = after(features)
        # The logarithm keeps the gradient of a label that is nearly certain.
        value = tf.math.log(probabilities[:, label] + 1e-12)
    gradients = tape.gradient(value, features)
    size = max((int(part.shape[1]), int(part.shape[2])) for part in features)
    total: NDArray[np.float64] = np.zeros(size)
    for part, gradient in zip(features, gradients, strict=True):
        # Summed, not averaged: the pool divides by the number of places, and grids of any size then weigh alike.
        weights = tf.reduce_sum(gradient, axis=(1, 2), keepdims=True)
        map_of = tf.reduce_sum(weights * part, axis=-1, keepdims=True)
        total += np.asarray(tf.image.resize(map_of, size))[0, :, :, 0]
    found = np.maximum(total, 0)
    return np.asarray(found / max(float(found.max()), 1e-12), dtype=np.float32)


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


def _probability(model: AttributedModel, pixels: Floats, label: int) -> Floats:
    import tensorflow as tf

    return np.asarray(model.probabilities(tf.constant(pixels)))[:, label]


def _gradients(model: AttributedModel, pixels: Floats, label: int) -> Floats:
    import tensorflow as tf

    inputs = tf.constant(pixels.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = model.probabilities(inputs)[:, label]
    return np.asarray(tape.gradient(value, inputs), dtype=np.float32)
