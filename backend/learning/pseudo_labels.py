"""Pseudo-labels: what propagation believes of the unlabelled pool, for a head to learn from (Lee, 2013)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.transform import Floats

WEIGHT = 0.3


@dataclass(frozen=True)
class WeightedExamples:
    """Arguments of `train_head`: embeddings [m, d], targets [m, L] and the importance [m] of each photo."""

    embeddings: NDArray[np.floating]
    targets: Floats
    weights: Floats


def with_pseudo_labels(
    embeddings: NDArray[np.floating],
    targets: Floats,
    pool_embeddings: NDArray[np.floating],
    propagated: Floats,
    *,
    weight: float = WEIGHT,
) -> WeightedExamples:
    """Annotated photos (embeddings [m, d], targets [m, L]) and unlabelled ones with their likeliest label.

    An unlabelled photo of `pool_embeddings` [n, d] counts `weight` (below 1, at least 0) times the probability that
    `propagated` [n, L] gives its likeliest label. For projects with one label a photo.

    Raises:
        ValueError: the weight is not in [0, 1).
    """
    if not 0 <= weight < 1:
        raise ValueError(f"weight must be at least 0 and below 1, got {weight!r}")
    guesses = np.zeros_like(propagated, dtype=np.float32)
    guesses[np.arange(len(propagated)), propagated.argmax(axis=1)] = 1.0
    confidence = propagated.max(axis=1, initial=0.0)
    useful = weight * confidence > 0
    return WeightedExamples(
        np.concatenate([embeddings, pool_embeddings[useful]]),
        np.concatenate([targets, guesses[useful]]).astype(np.float32),
        np.concatenate([np.ones(len(targets)), weight * confidence[useful]]).astype(np.float32),
    )
