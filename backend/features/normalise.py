"""What learns from embeddings sees them like this: each network's part drawn together by a power, then of unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Array = TypeVar("Array", bound=npt.NDArray[np.floating])

POWER = 0.5
_CHUNK = 8192


def normalise_parts(embeddings: Array, widths: Sequence[int], power: float = POWER) -> Array:
    """Signed power of every value, then unit length of each network's part: cosines then weigh the networks alike.

    The square root (`power` 0.5) keeps the few strongest channels of a pooled ReLU embedding from deciding alone. Of
    values that are not negative, the result's squares are each channel's share of its network's sum (Hellinger kernel).
    Source: F. Perronnin, J. Sánchez, T. Mensink, "Improving the Fisher Kernel for Large-Scale Image Classification"
    (2010); R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval" (2012).

    Args:
        embeddings: [n, d] of several networks side by side, as they are stored.
        widths: how many values each network gives, in their order; they sum to d. One network: (d,).
        power: (0, 1]; 1 leaves the values alone.

    Returns:
        [n, d] of the same type: unit length in each part; a part of zeros, or with values that are not finite, is zeros.

    Raises:
        ValueError: the widths do not sum to d.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != sum(widths):
        raise ValueError(
            f"embeddings have shape {embeddings.shape}, the networks give [n, {'+'.join(map(str, widths))}]"
        )
    normalised: Array = np.empty_like(embeddings)
    for start in range(0, len(embeddings), _CHUNK):
        block = embeddings[start : start + _CHUNK].astype(np.float32)
        if power != 1.0:
            block = np.copysign(np.sqrt(np.abs(block)) if power == 0.5 else np.abs(block) ** np.float32(power), block)
        first = 0
        for width in widths:
            part = block[:, first : first + width]
            lengths = np.linalg.norm(part, axis=1, keepdims=True)
            sound = np.isfinite(lengths) & (lengths > 0)
            normalised[start : start + len(block), first : first + width] = np.where(
                sound, part / np.where(sound, lengths, 1.0), 0.0
            )
            first += width
    return normalised
