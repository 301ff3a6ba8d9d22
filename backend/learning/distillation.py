"""A head that learns what the pool's graph believes: of all photos, not only of the annotated ones.

Softmax regression (where several labels may hold, a logistic one for each) on the embeddings with the calibrated beliefs
as soft targets (Hinton et al., "Distilling the
knowledge in a neural network", 2015): convex, so that one method finds the optimum without epochs or learning rates
(Liu and Nocedal, "On the limited memory BFGS method", 1989). Cross-entropy with a bias keeps the mean of every label: a
head distilled from calibrated beliefs is calibrated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from backend.learning.evaluation import decide_labels
from backend.learning.head_inference import Head, HeadLayers
from backend.learning.lbfgs import minimise
from backend.learning.transform import FeatureTransform, fit_centring
from backend.progress import Progress

Floats = NDArray[np.float32]

ENOUGH_AGREEMENT = 0.995
PENALTIES = (1e-3, 1e-4, 1e-5)
"""L2 penalty on the weights, over the number of photos; the next is tried, from where the last ended, while the head
answers otherwise than what it learns from on more than 1 - `ENOUGH_AGREEMENT` of the photos."""

STEPS = 100  # of the optimiser, for each penalty
TOLD = 10  # steps between two reports of progress
ANNOTATION_WEIGHT = 5.0  # of an annotated photo against one that is only believed


def distil(
    embeddings: NDArray[np.floating],
    beliefs: Floats,
    *,
    annotated: NDArray[np.integer] | None = None,
    transform: FeatureTransform | None = None,
    progress: Progress | None = None,
    several: bool = False,
) -> Head:
    """A linear head that answers as `beliefs` do.

    Args:
        embeddings: float [n, d] of the pool.
        beliefs: calibrated probabilities [n, L], the soft targets; rows sum to 1 unless `several`.
        annotated: rows of annotated photos, which weigh `ANNOTATION_WEIGHT`.
        transform: feature transform; by default centring on `embeddings`.
        progress: called with the part done in [0, 1] and a sentence.
        several: each label holds or does not, whatever the others do: a logistic regression for each.

    Returns: the head; its report holds `agreement`, the share of the n photos on which it has the same likeliest label,
    or with `several` the same labels.

    Raises:
        ValueError: there is no photo, or the arrays differ in length.
    """
    if len(embeddings) == 0 or len(embeddings) != len(beliefs):
        raise ValueError(f"{len(embeddings)} embeddings and {len(beliefs)} beliefs: one of each for every photo")
    started = time.monotonic()
    transform = transform or fit_centring(embeddings)
    features = transform.apply(embeddings)
    weights = np.ones(len(features), dtype=np.float32)
    if annotated is not None:
        weights[annotated] = ANNOTATION_WEIGHT
    weights /= weights.sum()
    # The kernel lies in the space that the photos span: where they are few, it is looked for there.
    basis = np.linalg.qr(features.T).Q if 2 * len(features) < features.shape[1] else None
    if basis is not None:
        features = features @ basis
    layers = HeadLayers.zeros(features.shape[1], beliefs.shape[1])
    agreement = 0.0
    says = decide_labels(beliefs, several)
    slope = _logistic_slope if several else _softmax_slope

    def report(attempt: int, step: int) -> None:
        if progress is not None and step % TOLD == 0:
            share = (attempt + min(step / STEPS, 1)) / len(PENALTIES)
            progress(share, f"learning from what is believed of {len(features):,} photos")

    for attempt, penalty in enumerate(PENALTIES):
        layers = _fit(features, beliefs, weights, penalty / len(features), layers, partial(report, attempt), slope)
        answers = layers.logits(features)
        answers = expit(answers) if several else answers
        agreement = float((decide_labels(answers, several) == says).all(axis=1).mean())
        if agreement >= ENOUGH_AGREEMENT:
            break
    if basis is not None:
        layers = HeadLayers(basis @ layers.kernel, layers.bias)
    return Head(
        kind="linear",
        transform=transform,
        layers=layers,
        annotated=np.ones(beliefs.shape[1], dtype=np.bool_),
        mean_prior=np.zeros(beliefs.shape[1], dtype=np.float32),
        multiple=several,
        report={
            "learnt_from": "what is believed of the pool",
            "photos": len(features),
            "annotations": 0 if annotated is None else len(annotated),
            "agreement": agreement,
            "penalty": penalty,
            "seconds": round(time.monotonic() - started, 3),
        },
    )


def _softmax_slope(scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """Cross-entropy of each photo [n] where one label holds, and its slope by the scores [n, L]."""
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    total = shares.sum(axis=1, keepdims=True)
    shares /= total
    entropy: Floats = -(targets * (scores - np.log(total))).sum(axis=1)
    shares -= targets
    return entropy, shares


def _logistic_slope(scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """Cross-entropy of each photo [n] where each label holds or does not, and its slope by the scores [n, L]."""
    entropy: Floats = (np.logaddexp(np.float32(0.0), scores) - targets * scores).sum(axis=1)
    return entropy, expit(scores) - targets


def _fit(
    features: Floats,
    targets: Floats,
    weights: Floats,
    decay: float,
    start: HeadLayers,
    told: Callable[[int], None],
    slope: Callable[[Floats, Floats], tuple[Floats, Floats]],
) -> HeadLayers:
    """Regression: kernel and bias that minimise weighted cross-entropy, by its `slope`, plus `decay` / 2 times |kernel|^2.

    `told` is called with the number of steps that were made, 0 before the first.
    """
    width, labels = start.kernel.shape

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        kernel = values[: width * labels].reshape(width, labels).astype(np.float32)
        scores = features @ kernel + values[width * labels :].astype(np.float32)
        entropies, slopes = slope(scores, targets)
        entropy = float(weights @ entropies)
        slopes *= weights[:, None]
        gradient = np.concatenate([(features.T @ slopes + decay * kernel).ravel(), slopes.sum(axis=0)])
        return entropy + 0.5 * decay * float((kernel**2).sum()), gradient.astype(np.float64)

    first = np.concatenate([start.kernel.ravel(), start.bias]).astype(np.float64)
    found = minimise(loss, first, steps=STEPS, told=told).astype(np.float32)
    return HeadLayers(found[: width * labels].reshape(width, labels), found[width * labels :])
