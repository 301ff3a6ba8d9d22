"""Which photos go on one sheet: they are believed one class, lie together, and teach most per second of looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.priority.sheets.times import AnswerTimes

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
Features = Callable[[Rows], NDArray[np.floating]]
"""Gives the features of some rows of the pool: float [m, d], unit rows."""

FLOOR = 0.05
"""What confirming a photo teaches that the model is sure of, beside 1 for one that it knows nothing of."""


@dataclass(frozen=True)
class SheetOptions:
    """How sheets are made.

    Attributes:
        size: most photos on a sheet.
        smallest: fewest photos that are worth a sheet.
        fewest_right: share of a sheet's photos expected to be of its class, [0, 1]; below it people correct more than
            they confirm.
        candidates: most photos of a class that are looked at, the surest first.
        classes: most classes whose photos are looked at, those that promise most first.
        times: what answering costs.
    """

    size: int = 24
    smallest: int = 4
    fewest_right: float = 0.7
    candidates: int = 600
    classes: int = 8
    times: AnswerTimes = field(default_factory=AnswerTimes)


@dataclass(frozen=True)
class Sheet:
    """Photos to answer together.

    Attributes:
        label: index of the class that they are believed to be.
        rows: int [m], rows of the pool, most alike first.
        expected_right: share of them expected to be of that class, [0, 1].
        value: what answering teaches per second, >= 0, higher = sooner; comparable within one call.
    """

    label: int
    rows: Rows
    expected_right: float
    value: float


def best_sheet(
    probabilities: NDArray[np.floating],
    features: Features,
    eligible: NDArray[np.bool_],
    *,
    options: SheetOptions | None = None,
    excluded_labels: NDArray[np.bool_] | None = None,
) -> Sheet | None:
    """The most valuable sheet of photos that are believed to be one class and look alike; None where there is none.

    Within a class each photo and its nearest make a sheet; the sheet that teaches most per second wins. A photo teaches
    its uncertainty, 1 - p of its likeliest class, on top of a floor, since a sure photo that is confirmed still anchors
    what lies around it. The seconds include the odd ones that are to be expected, so the model must be calibrated.

    Args:
        probabilities: float [n, L], rows sum to 1.
        features: unit features of some rows; nearness is their cosine.
        eligible: bool [n], photos that may be shown: not answered, not on another sheet, not kept for evaluation.
        options: sizes and times.
        excluded_labels: bool [L], classes that no sheet is made of (`Not relevant` has sheets of its own).
    """
    options = options or SheetOptions()
    best = probabilities.argmax(axis=1)
    confidence = np.take_along_axis(probabilities, best[:, None], axis=1)[:, 0].astype(np.float32)
    shown = eligible if excluded_labels is None else eligible & ~excluded_labels[best]
    rows = np.flatnonzero(shown)
    rows = rows[np.lexsort((rows, -confidence[rows], best[rows]))]  # by class, the surest first
    starts = np.flatnonzero(np.r_[True, np.diff(best[rows]) != 0]) if rows.size else np.zeros(0, dtype=np.intp)
    classes = [members[: options.candidates] for members in np.split(rows, starts[1:])] if rows.size else []
    classes = [members for members in classes if members.size >= options.smallest]
    promising = sorted(classes, key=lambda members: -_bound(confidence[members], options))[: options.classes]
    found = [_of_one_class(int(best[members[0]]), members, confidence, features, options) for members in promising]
    sheets = [sheet for sheet in found if sheet is not None]
    return min(sheets, key=lambda sheet: (-sheet.value, sheet.label), default=None)


def _bound(sure: Floats, options: SheetOptions) -> float:
    """What the best sheet of a class may be worth: that of photos which are next to each other in confidence."""
    size = min(options.size, sure.size)
    sums = np.r_[0.0, np.cumsum(sure)]
    right = (sums[size:] - sums[:-size]) / size
    doubts = (1.0 - right[right >= options.fewest_right]) * size
    return float(_value(doubts, size, options.times).max(initial=0.0))


def _of_one_class(
    label: int, members: Rows, confidence: Floats, features: Features, options: SheetOptions
) -> Sheet | None:
    looks = np.asarray(features(members), dtype=np.float32)
    size = min(options.size, members.size)
    nearest = np.argsort(-(looks @ looks.T), axis=1, kind="stable")[:, :size]
    right = confidence[members][nearest].mean(axis=1)
    value = _value((1.0 - right) * size, size, options.times)
    value[right < options.fewest_right] = 0.0
    seed = int(np.argmax(value))
    if value[seed] <= 0.0:
        return None
    return Sheet(label, members[nearest[seed]].astype(np.intp), float(right[seed]), float(value[seed]))


def _value(doubts: NDArray[np.floating], photos: int, times: AnswerTimes) -> Floats:
    """What sheets of `photos` teach per second; doubts: float [k], the sum of 1 - p over each one's photos."""
    seconds = times.glance * photos + times.odd * doubts
    value: Floats = ((doubts + FLOOR * photos) / seconds).astype(np.float32)
    return value


def irrelevant_sheet(
    relevance: NDArray[np.floating], features: Features, eligible: NDArray[np.bool_], label: int, *, size: int = 24
) -> Sheet | None:
    """The photos that belong least, nearest to the least relevant one first; None where all belong.

    Args:
        relevance: float [n] in [0, 1], 1 = belongs.
        features: unit features of some rows.
        eligible: bool [n], photos that may be shown.
        label: index of `Not relevant`.
        size: most photos on it.
    """
    rows = np.flatnonzero(eligible & (relevance < 0.5))
    if not rows.size:
        return None
    rows = rows[np.argsort(relevance[rows], kind="stable")][: 4 * size]
    looks = np.asarray(features(rows), dtype=np.float32)
    chosen = rows[np.argsort(-(looks @ looks[0]), kind="stable")[:size]]
    right = float(1.0 - relevance[chosen].mean())
    return Sheet(label, chosen.astype(np.intp), right, right)
