"""How much each ImageNet class tells in a pool of photos: one that all of them half show tells none of them apart.

A stadium, a net or a swimming cap stands behind many sports. Where such a class is half seen in crowds of photos and
surely in none, the label that it speaks for claims photos everywhere, and crowds take its side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FULL_SAY = 0.001
"""Mean of p (1 - p) over the pool up to which a class has its full say: what it is where all 1,000 are seen alike."""

POWER = 1.4
"""How much faster than its mean grows a class loses its say."""

IMAGINARY_PHOTOS = 100.0
"""Photos that show all classes alike, added to the pool: few photos say little of what most of a pool shows."""


def class_weights(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """The say of each ImageNet class in a pool of n photos: float32 [C], in (0, 1], 1 = all of it.

    Formula: min(1, (0.001 / mean of p (1 - p))^1.4), p the class's probability in a photo. What a photo surely shows, p near
        1, counts as little as what it does not show at all. Chosen on the even half of sports50 (docs/measurements.md).

    Args:
        probabilities: [n, C], rows sum to 1; n may be 0.
    """
    n, classes = probabilities.shape
    half_seen = np.zeros(classes, dtype=np.float64)
    for photo in range(0, n, 1024):  # in float64, a part at a time
        part = np.asarray(probabilities[photo : photo + 1024], dtype=np.float64)
        half_seen += (part * (1.0 - part)).sum(axis=0)
    alike = 1.0 / classes
    half_seen += IMAGINARY_PHOTOS * alike * (1.0 - alike)
    mean = half_seen / (n + IMAGINARY_PHOTOS)
    return np.minimum(1.0, (FULL_SAY / mean) ** POWER).astype(np.float32)
