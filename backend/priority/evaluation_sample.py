"""The evaluation sample: which images are kept for measuring, decided by their digest alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import BoolArray

_RANGE = float(1 << 64)


def sample_position(
    digests: Sequence[str], *, salt: str = "evaluation"
) -> NDArray[np.float64]:
    """Pseudo-random position of each digest: float64 [n] in [0, 1), the same on every machine and day."""
    positions = (
        int.from_bytes(hashlib.blake2b(f"{salt}:{digest}".encode(), digest_size=8).digest(), "big")
        for digest in digests
    )
    return np.fromiter(positions, dtype=np.float64, count=len(digests)) / _RANGE


def evaluation_mask(digests: Sequence[str], share: float) -> BoolArray:
    """Whether each image belongs to the evaluation sample: bool [n], True for about `share` of them.

    Membership never changes with the order, the annotations or the other images, so what is measured on
    annotated members is an unbiased estimate for the whole pool, and a copy of an image falls on the same side.
    """
    if share <= 0.0:
        return np.zeros(len(digests), dtype=bool)
    mask: BoolArray = sample_position(digests) < share
    return mask
