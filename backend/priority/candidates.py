"""The rows a strategy may choose from, in an order that does not depend on how the tasks arrived."""

from __future__ import annotations

import numpy as np

from backend.errors import BackendError
from backend.priority.pool_view import FloatArray, IntArray, PoolView


def in_digest_order(view: PoolView, rows: IntArray) -> IntArray:
    """`rows` sorted by their digests (by row index where the view has none).

    Whatever is computed on rows in this order, sums and k-means included, is the same to the last bit for every
    permutation of the pool.
    """
    if view.digests is None or rows.size == 0:
        return np.sort(rows)
    digests = view.digests
    keys = np.array([digests[row] for row in rows])
    return rows[np.argsort(keys, kind="stable")]


def candidate_rows(view: PoolView) -> IntArray:
    """The rows that nobody has annotated, in digest order."""
    return in_digest_order(view, view.unlabelled_rows)


def annotated_rows(view: PoolView) -> IntArray:
    """The rows that are annotated, in digest order."""
    return in_digest_order(view, view.labelled_rows)


def batch_size(count: int, available: int) -> int:
    """`count`, but no more than there is.

    Raises:
        BackendError: the count is negative.
    """
    if count < 0:
        raise BackendError(f"count must not be negative, it is {count}", reason="bad_count")
    return min(count, available)


def usable_space(view: PoolView, rows: IntArray) -> FloatArray:
    """Float32 [len(rows), k] of the view's space; a row with NaN or infinity becomes zero (unlike everything)."""
    space = np.asarray(view.space[rows], dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        broken = ~np.isfinite(space.sum(axis=1))
    space[broken] = 0.0
    return space
