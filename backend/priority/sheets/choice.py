"""Whether the next minutes are better spent on a sheet or on single photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.priority.sheets.selection import FLOOR, Sheet
from backend.priority.sheets.times import AnswerTimes

COMPARED = 24
"""Single photos that a sheet is compared with: the most doubtful ones, as many as it may have photos."""


def sheet_is_better(
    sheet: Sheet, unanswered: NDArray[np.floating], *, times: AnswerTimes | None = None, photos: int = COMPARED
) -> bool:
    """Whether a sheet teaches more per second than the most doubtful photos would, answered one by one.

    Both are measured as in `best_sheet`: a photo teaches 1 - p of its likeliest class and a floor.

    Args:
        sheet: the best one.
        unanswered: float [m, L], what is believed of the photos without an answer.
        times: what answering costs.
        photos: how many single photos count.
    """
    if not unanswered.size:
        return False
    times = times or AnswerTimes()
    doubts = 1.0 - unanswered.max(axis=1).astype(np.float32)
    count = min(photos, doubts.size)
    hardest = float(np.partition(doubts, doubts.size - count)[-count:].mean())
    return sheet.value > (hardest + FLOOR) / times.single
