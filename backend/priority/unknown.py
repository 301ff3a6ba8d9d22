"""How unlike anything the backbone was trained on: from the ImageNet logits alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIDDLE = 8.5
"""Standardised largest logit at which a photo counts as half unknown: between ImageNet's own photos (median 10.0 with
EfficientNet-Lite2) and photos of things it has no class for (most below 7)."""


def unknown_score(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """How little the best of all ImageNet classes stands out.

    Formula: 1 / (1 + exp(z - 8.5)), z = (largest logit - mean) / standard deviation, over the classes of one photo.
    Chosen by measurement (see docs/ordering.md): it tells photos of unknown things from ImageNet's better than the
    largest softmax probability, the largest logit and the energy, which all depend on how contrasty a photo is.

    Range: [0, 1], 1 = most unlike ImageNet; a photo without finite logits: 1.
    Shape: [n, C] -> float32 [n].
    Cost: O(n C).
    """
    values = np.asarray(logits, dtype=np.float32)
    finite: NDArray[np.bool_] = np.isfinite(values.sum(axis=1))
    values = np.where(finite[:, None], values, np.float32(0.0))
    spread = values.std(axis=1)
    standing_out = np.divide(
        values.max(axis=1, initial=-np.inf) - values.mean(axis=1),
        spread,
        out=np.zeros_like(spread),
        where=spread > 1e-6,
    )
    score: NDArray[np.float32] = (1.0 / (1.0 + np.exp(standing_out - MIDDLE))).astype(np.float32)
    score[~finite] = 1.0
    return score
