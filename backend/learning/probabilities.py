"""Beliefs, probabilities [n, L] of labels: made to sum to 1, and put together from the two halves of the learner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float32]

LEVEL = 1e-3
"""Share of the likeliest label's probability that another may lack and still be level with it."""

MOST_LEVEL = 8
"""Most labels that share a photo: where more are level, nothing is known of it, and the first of them has it."""


def geometric_mean(first: FloatArray, second: FloatArray, *, weight: float | FloatArray = 0.5) -> FloatArray:
    """Geometric mean of two beliefs [n, L], each floored so that neither can veto: rows sum to 1.

    `weight` in [0, 1] is that of the second, of all photos or float32 [n, 1] of each.
    """
    floor = np.float32(1e-2)
    share = np.asarray(weight, dtype=np.float32)
    mixed = np.log(first + floor)
    mixed *= np.float32(1.0) - share
    mixed += share * np.log(second + floor)
    np.exp(mixed, out=mixed)
    mixed -= floor
    return normalise_rows(mixed)


def tells_photos_apart(prior: FloatArray) -> bool:
    """Whether a prior float32 [n, L] says more of some photo than of the others: without any it is the same of all."""
    return not bool((prior == prior[:1]).all())


def linear_weight(annotations: int) -> float:
    """Weight of the linear half, [0, 1/2]: it learns from the first annotation on, and is trusted as they come."""
    return 0.5 * annotations / (annotations + 1)


def normalise_rows(values: FloatArray, *, otherwise: FloatArray | None = None) -> FloatArray:
    """Non-negative rows scaled to sum to 1; a row without mass becomes `otherwise` (uniform by default)."""
    clean = np.array(values, dtype=np.float32)
    clean[~np.isfinite(clean)] = 0.0
    np.maximum(clean, 0.0, out=clean)
    total = clean.sum(axis=1)
    empty = total <= 1e-20
    clean /= np.where(empty, np.float32(1.0), total)[:, None]
    if empty.any():
        clean[empty] = np.float32(1.0 / max(clean.shape[1], 1)) if otherwise is None else otherwise[empty]
    return clean


def hard_labels(
    labels: FloatArray, rows: NDArray[np.integer], own: FloatArray, *, most_level: int = MOST_LEVEL
) -> sparse.csr_matrix:
    """The likeliest label of each row of `labels` [n, L], all of `own` [m, L] for `rows` [m]: csr float32 [n, L].

    Labels that are level share the row, up to `most_level` of them: where nothing tells a sport of men from one of women,
    the first of them is not to be taken for the answer.
    """
    likeliest, best = labels.argmax(axis=1), labels.max(axis=1)
    level = labels >= (best * np.float32(1.0 - LEVEL))[:, None]
    count = np.count_nonzero(level, axis=1)
    shared = (count > 1) & (count <= most_level)
    single = ~shared
    shared[rows], single[rows] = False, False
    shared_rows, single_rows = np.flatnonzero(shared), np.flatnonzero(single)
    among, both = np.nonzero(level[shared_rows])
    among = shared_rows[among]
    place, label = np.nonzero(own)
    values = np.concatenate([np.ones(single_rows.size, np.float32), 1.0 / count[among], own[place, label]])
    row = np.concatenate([single_rows, among, rows[place]])
    column = np.concatenate([likeliest[single_rows], both, label])
    return sparse.csr_matrix((values.astype(np.float32), (row, column)), shape=labels.shape)
