"""How unlike anything the backbone was trained on: from the ImageNet logits alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unknown_score(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 minus the largest softmax probability: float32 [n] in [0, 1], 1 = most unlike ImageNet.

    Source: Hendrycks & Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", 2017.
    """
    finite = np.nan_to_num(logits, nan=0.0)
    shifted = np.exp(finite - finite.max(axis=1, keepdims=True))
    score: NDArray[np.float32] = (1.0 - shifted.max(axis=1) / shifted.sum(axis=1)).astype(np.float32)
    return score
