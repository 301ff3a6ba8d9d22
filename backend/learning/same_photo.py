"""Photos that show the same picture: compressed again, resized, cut a little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from backend.learning.projection import finite_rows, unit_rows

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

SAME_PHOTO = 0.92
"""Cosine in the graph's space from which two photos may be the same picture. Measured on both halves of 50 classes:
above it no pool of 2,000 had a pair of two pictures, below 0.9 some had (docs/measurements.md)."""

SAME_EMBEDDING = 0.85
"""Cosine of the embeddings themselves that they must have too. The space of a small pool has few axes, which are fitted
to its photos and pull the nearest together; one that was learnt from annotations pulls whole labels together."""

FAR_NEARER = 0.25
"""The same picture is so much nearer than the last neighbour, as a share of what that one lacks to a cosine of 1. In a
crowd of much alike photos a high cosine alone says nothing."""

_ROUNDING = 1e-3  # of embeddings kept in float16: so near lie equal files, however many there are
_CHUNK = 2_048  # pairs whose embeddings are in memory together


def same_photo_edges(
    neighbours: NDArray[np.integer], similarities: FloatArray, embeddings: NDArray[np.floating] | None
) -> BoolArray:
    """Which edges of the graph lead to a photo that shows the same: bool [n, j].

    Args:
        neighbours: int [n, j], rows of the nearest photos, most similar first; -1 = none.
        similarities: float [n, j], their cosines in the graph's space.
        embeddings: float [n, d], as they are before any projection; None: not at hand, the graph alone decides.
    """
    lacking = 1.0 - similarities
    same: BoolArray = (similarities >= SAME_PHOTO) & (neighbours >= 0)
    same &= lacking <= np.maximum(FAR_NEARER * lacking[:, -1:], _ROUNDING)
    if embeddings is None:
        return same
    rows, slots = np.nonzero(same)
    for start in range(0, rows.size, _CHUNK):
        row, slot = rows[start : start + _CHUNK], slots[start : start + _CHUNK]
        own, others = (unit_rows(finite_rows(embeddings[of])) for of in (row, neighbours[row, slot]))
        same[row, slot] = np.einsum("pd,pd->p", own, others) >= SAME_EMBEDDING
    return same


def same_photos(
    neighbours: NDArray[np.integer],
    similarities: FloatArray,
    same: BoolArray,
    rows: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of photos that show the same: places in `rows` [p] and rows of the other [p], the least alike first.

    Args:
        neighbours: int [n, j], as of `same_photo_edges`.
        similarities: float [n, j], likewise.
        same: bool [n, j], what it found.
        rows: int [m], the photos whose pairs are wanted; None: all, and a place is a row.
    """
    if rows is not None:
        neighbours, similarities, same = neighbours[rows], similarities[rows], same[rows]
    place, slot = np.nonzero(same)
    order = np.argsort(similarities[place, slot], kind="stable")
    place, slot = place[order], slot[order]
    return place, neighbours[place, slot].astype(np.intp)


def same_photo_groups(neighbours: NDArray[np.integer], same: BoolArray) -> NDArray[np.int32]:
    """The group of photos that each one is in: int32 [n]; what shows the same as one of a group belongs to it.

    Args:
        neighbours: int [n, j], as of `same_photo_edges`.
        same: bool [n, j], what it found.
    """
    n = neighbours.shape[0]
    rows, slots = np.nonzero(same)
    links = sparse.coo_matrix((np.ones(rows.size, dtype=bool), (rows, neighbours[rows, slots])), shape=(n, n))
    group: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return group
