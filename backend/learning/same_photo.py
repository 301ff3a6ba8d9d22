"""Photos that show the same picture, by where they lie in the pool's graph: compressed again, resized, cut a little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SAME_PHOTO = 0.92
"""Cosine in the graph's space from which two photos may be the same picture. Measured on both halves of 50 classes: above it
there was no pair of two pictures, below 0.9 there were some (docs/measurements.md)."""

FAR_NEARER = 0.25
"""The same picture is so much nearer than the last neighbour, as a share of what that one lacks to a cosine of 1. In a space
of few axes, or in a crowd of much alike photos, a high cosine alone says nothing."""

_ROUNDING = 1e-3  # of embeddings kept in float16: so near lie equal files, however many there are


def same_photos(
    neighbours: NDArray[np.integer], similarities: FloatArray, rows: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of photos that show the same: places in `rows` [p] and rows of the other [p], the least alike first.

    Args:
        neighbours: int [n, j], rows of the nearest photos, most similar first; -1 = none.
        similarities: float [n, j], their cosines.
        rows: int [m], the photos whose pairs are wanted; None: all, and a place is a row.
    """
    if rows is not None:
        neighbours, similarities = neighbours[rows], similarities[rows]
    if not similarities.size:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    lacking = 1.0 - similarities
    near = lacking <= np.maximum(FAR_NEARER * lacking[:, -1:], _ROUNDING)
    place, slot = np.nonzero((similarities >= SAME_PHOTO) & near & (neighbours >= 0))
    order = np.argsort(similarities[place, slot], kind="stable")
    place, slot = place[order], slot[order]
    return place, neighbours[place, slot].astype(np.intp)
