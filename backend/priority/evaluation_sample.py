"""The evaluation sample: which images are kept for measuring, decided by their digest alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import BoolArray, IntArray

ENOUGH = 20
"""Annotated evaluation images from which on missing ones are not made up for."""

SPARE = 5
"""Evaluation images that may be missing, or too many, because people hold photos or answer several at once; more are so
for another reason, such as an import."""

_RANGE = float(1 << 64)


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
    place = np.concatenate([np.arange(training.size), _due(number, share, answered, evaluated) - number - 1.0])
    is_evaluation = np.repeat([False, True], [training.size, evaluation.size])
    merged = np.lexsort((is_evaluation, place))
    return np.concatenate([training, evaluation])[merged], is_evaluation[merged]


def _due(number: IntArray, share: float, answered: int, evaluated: int) -> NDArray[np.floating]:
    """Answers until each of the next evaluation images, `number` [e] from 0: float [e], at least 0.

    Number k of a project is answer number (k + 1/2) / share, each by itself: one that somebody holds, and does not answer,
    keeps none of those behind it. Those that were passed over are due at once. Where many are missing, as after an import
    of annotations, every other answer makes up for them, but only until there are enough to tell the accuracy. Nor are
    many that are too many waited for.
    """
    due: NDArray[np.floating] = (evaluated + number + 0.5) / share - answered
    missing = int(np.floor(answered * share + 0.5)) - evaluated
    if abs(missing) <= SPARE:
        return np.asarray(np.maximum(due, number))
    regular = float((np.ceil(answered * share - 0.5) + 0.5) / share - answered)
    if missing < 0:
        return np.asarray(regular + number / share)
    soon: NDArray[np.floating] = 2.0 * number + min(answered % 2, regular)
    if evaluated + missing <= ENOUGH:
        return np.asarray(np.maximum(due, soon))
    made_up = max(ENOUGH - evaluated, 0)
    skipped = max(np.ceil((2.0 * made_up - regular) * share), 0.0)
    return np.where(number < made_up, soon, regular + (number - made_up + skipped) / share)
