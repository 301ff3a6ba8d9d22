"""How unlike anything the backbone was trained on: by how far the nearest ImageNet class is in embedding space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIDDLE = 10.0
"""Scaled cosine at which a photo counts as half unknown: between ImageNet's own photos (quartiles 11.5 to 15 with
EfficientNet-Lite2) and photos of things it has no class for (7 to 9)."""


def unknown_score(cosines: NDArray[np.float32], dimension: float) -> NDArray[np.float32]:
    """How far the nearest of all ImageNet classes is.

    Formula: 1 / (1 + exp(z - 10)), z = sqrt(d) cos: the cosine between embedding and nearest class in units of what
    two random directions of d dimensions have, so that backbones of different width compare. The classes are the
    columns of the ImageNet layer ([43]: class means and columns align in a trained network). Chosen by measurement (see
    docs/measurements.md): it tells photos of unknown things from ImageNet's better than what can be had from logits
    alone.

    Args:
        cosines: [n] in [-1, 1], each photo's with its nearest class (`Backbone.nearest_imagenet_class`).
        dimension: width d of the embeddings of one network; several side by side have the cosines of one.

    Range: [0, 1], 1 = most unlike ImageNet; a photo whose cosine is not finite: 1.
    Shape: [n] -> float32 [n].
    Cost: O(n).
    """
    values = np.asarray(cosines, dtype=np.float32)
    finite = np.isfinite(values)
    scaled = np.sqrt(np.float32(dimension)) * np.where(finite, values, np.float32(0.0))
    score: NDArray[np.float32] = (1.0 / (1.0 + np.exp(scaled - MIDDLE))).astype(np.float32)
    score[~finite] = 1.0
    return score
