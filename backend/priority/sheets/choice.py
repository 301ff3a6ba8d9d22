"""Whether the next minutes are better spent on a sheet or on single photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.priority.sheets.selection import Sheet

SURE_ENOUGH = 0.6
"""Mean confidence of the unanswered pool from which sheets begin: before, single photos find the classes."""


def sheet_is_better(sheet: Sheet, unanswered: NDArray[np.floating]) -> bool:
    """Whether a sheet beats single photos.

    Args:
        sheet: the best one.
        unanswered: float [m, L], what is believed of the photos without an answer.
    """
    return bool(unanswered.size and sheet.value > 0.0 and float(unanswered.max(axis=1).mean()) >= SURE_ENOUGH)
