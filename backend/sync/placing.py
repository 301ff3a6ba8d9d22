"""Scores of queue places, chosen so that a new order changes as few of those already published as possible.

Label Studio serves the lowest score first. Changing one published score costs a call, so an item that stands right
among the others keeps its score, and the others get one in between: fractional indexing over a longest increasing
subsequence (Schensted 1961, by the patience method of Fredman 1975).
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence

FIRST = 0.1
LAST = 0.5  # what is not in the window scores higher, see `beyond_score`
STEP = 1e-4  # between neighbours: wide enough to be halved 25 times, narrow enough for 4,000 places to be added
MIN_GAP = 1e-11


def place_scores(current: Sequence[float | None]) -> list[float]:
    """Scores for items in the order that is wanted, strictly increasing in (0, LAST).

    Args:
        current: the score that each item has now, in the wanted order; None where it has none yet.

    Returns: one score for each item. As many as possible stay what they are; where there is no room left between two
    that stay, all are placed anew.
    """
    kept = keep_most(current)
    placed: list[float] = []
    for start, stop in _gaps(kept, len(current)):
        low = current[start - 1] if start else None
        high = current[stop] if stop < len(current) else None
        between = _spread(stop - start, low, high)
        if between is None:
            return _afresh(len(current))
        placed.extend(between)
        if high is not None:
            placed.append(high)
    return placed


def keep_most(current: Sequence[float | None]) -> list[int]:
    """Positions of a longest strictly increasing subsequence of the usable scores."""
    tails: list[float] = []
    last: list[int] = []
    before: dict[int, int | None] = {}
    for position, score in enumerate(current):
        if score is None or not math.isfinite(score) or not 0.0 < score < LAST:
            continue
        length = bisect_left(tails, score)
        before[position] = last[length - 1] if length else None
        tails[length : length + 1] = [score]
        last[length : length + 1] = [position]
    found: list[int] = []
    at = last[-1] if last else None
    while at is not None:
        found.append(at)
        at = before[at]
    return found[::-1]


def _gaps(kept: Sequence[int], count: int) -> list[tuple[int, int]]:
    """The runs of positions before, between and after those kept, as (start, stop); some are empty."""
    bounds = [-1, *kept, count]
    return [(left + 1, right) for left, right in itertools.pairwise(bounds)]


def _spread(count: int, low: float | None, high: float | None) -> list[float] | None:
    """`count` scores between two neighbours, near the one that there is; None where they do not fit."""
    if low is None:
        if high is None:
            return _afresh(count)
        step = min(STEP, high / (count + 1))
        return _steps(high - (count + 1) * step, step, count)
    if high is None:
        return _steps(low, STEP, count) if low + count * STEP < LAST else None
    return _steps(low, (high - low) / (count + 1), count)


def _steps(start: float, step: float, count: int) -> list[float] | None:
    return [start + step * number for number in range(1, count + 1)] if step >= MIN_GAP or not count else None


def _afresh(count: int) -> list[float]:
    step = min(STEP, (LAST - FIRST) / (2 * count + 2))  # half of the room stays free for those that join later
    return [FIRST + step * number for number in range(count)]
