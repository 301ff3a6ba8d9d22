"""The rows a strategy may choose from, in an order that does not depend on how the tasks arrived."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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


def only_rows(view: PoolView, rows: IntArray) -> PoolView:
    """The pool without all other rows, as if they had never been imported: place i of the result is `rows[i]`.

    Neighbours outside become -1. A photo that may not be asked about is left out like this, rather than marked as
    labelled: a strategy would take it for a label that covers its surroundings.
    """
    place = np.full(view.n + 1, -1, dtype=np.int32)
    place[rows] = np.arange(rows.size, dtype=np.int32)

    def taken(array: Any) -> Any:
        return None if array is None else array[rows]

    annotated = view.annotated_probabilities
    if annotated is not None:
        kept = rows[view.labelled[rows]]
        annotated = annotated[np.searchsorted(view.labelled_rows, kept)]
    return replace(
        view,
        space=view.space[rows],
        probabilities=view.probabilities[rows],
        labelled=view.labelled[rows],
        digests=None if view.digests is None else [view.digests[row] for row in rows],
        head_probabilities=taken(view.head_probabilities),
        relevance=taken(view.relevance),
        unknown=taken(view.unknown),
        annotated_probabilities=annotated,
        neighbours=None if view.neighbours is None else place[view.neighbours[rows]],
        similarities=taken(view.similarities),
        same_photo=None
        if view.same_photo is None or view.neighbours is None
        else view.same_photo[rows] & (place[view.neighbours[rows]] >= 0),
        learned_from=taken(view.learned_from),
        shown=taken(view.shown),
    )


def given_labels(view: PoolView, rows: IntArray) -> IntArray:
    """The label that a person gave each of `rows` (all annotated): int [len(rows)], -1 = none, such as skipped.

    Raises:
        BackendError: the view has not one target for each annotated row.
    """
    if rows.size == 0 or view.probabilities.shape[1] == 0:
        return np.full(rows.size, -1, dtype=np.intp)
    targets = view.probabilities[rows]
    if view.annotated_probabilities is not None:
        annotated = view.labelled_rows
        if view.annotated_probabilities.shape[0] != annotated.size:
            raise BackendError(
                f"PoolView.annotated_probabilities has {view.annotated_probabilities.shape[0]} rows, "
                f"{annotated.size} are labelled",
                reason="bad_view",
            )
        targets = view.annotated_probabilities[np.searchsorted(annotated, rows)]
    targets = np.nan_to_num(targets)
    return np.where(targets.max(axis=1) > 0, targets.argmax(axis=1), -1).astype(np.intp)


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
