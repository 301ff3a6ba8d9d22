"""The evaluation sample: which images are kept for measuring, decided by their digest alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import BoolArray, IntArray

ENOUGH = 20
"""Annotated evaluation images from which on missing ones are not made up for."""

_RANGE = float(1 << 64)
_FINE = float(1 << 24)  # what is left of a position's digits behind this many bits is independent of its size


def sample_position(digests: Sequence[str], *, salt: str = "evaluation") -> NDArray[np.float64]:
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


def stratified_order(positions: NDArray[np.float64], strata: NDArray[np.integer]) -> IntArray:
    """Members in an order whose every beginning holds each stratum in proportion: int [m], indices.

    Member number r of a stratum of s comes at (r + u) / s; within a stratum the pseudo-random position decides, and u
    in [0, 1) is drawn for each stratum from its first member. With the same u for all, the largest strata would always
    come first, and the first members would speak for what is predicted most often, which is where a model is wrong most
    often.

    Args:
        positions: float64 [m], from `sample_position`.
        strata: int [m], predicted branch of each member.
    """
    by_stratum = np.lexsort((positions, strata))
    ordered = strata[by_stratum]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if ordered.size else np.zeros(0, dtype=np.intp)
    sizes = np.diff(np.r_[starts, ordered.size])
    rank = np.arange(ordered.size) - np.repeat(starts, sizes)
    offset = positions[by_stratum][starts] * _FINE % 1.0
    place = np.empty(ordered.size, dtype=np.float64)
    place[by_stratum] = (rank + np.repeat(offset, sizes)) / np.repeat(sizes, sizes)
    order: IntArray = np.lexsort((positions, place))
    return order


def interleave(
    training: IntArray, evaluation: IntArray, share: float, *, answered: int = 0, evaluated: int = 0
) -> tuple[IntArray, BoolArray]:
    """Merge two ranked lists so that evaluation takes every (1 / share)-th place: rows and whether each is evaluation.

    Places are counted from the first answer of the project on, not from the head of this list: each answer brings a
    new order, and who always takes its head would never come to a place further down. When one list runs out the other
    goes on.

    Args:
        answered: photos that are labelled or skipped already.
        evaluated: those of them that are of the evaluation sample.
    """
    if evaluation.size == 0 or share <= 0.0:
        return np.concatenate([training, evaluation]), np.repeat([False, True], [training.size, evaluation.size])
    number = np.arange(evaluation.size)
    due = number / share + _next_due(share, answered, evaluated)
    place = np.concatenate([np.arange(training.size, dtype=np.float64), due - number - 1.0])
    is_evaluation = np.repeat([False, True], [training.size, evaluation.size])
    merged = np.lexsort((is_evaluation, place))
    return np.concatenate([training, evaluation])[merged], is_evaluation[merged]


def _next_due(share: float, answered: int, evaluated: int) -> float:
    """Answers until the next evaluation image, at least 0. Number k of a project is answer number (k + 1/2) / share.

    One that was passed over is due at once. Where many are missing, as after an import of annotations, every other
    answer makes up for them, but only until there are enough to tell the accuracy.
    """
    wanted = int(np.floor(answered * share + 0.5))
    missing = wanted - evaluated
    if missing <= 0:
        return (evaluated + 0.5) / share - answered
    if missing == 1 or (evaluated < ENOUGH and answered % 2 == 0):
        return 0.0
    return float((np.ceil(answered * share - 0.5) + 0.5) / share - answered)
