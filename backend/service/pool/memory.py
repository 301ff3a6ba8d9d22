"""How much memory a pool takes, so that a worker can keep as many as fit."""

from __future__ import annotations

from typing import Any

import numpy as np

ROW_BYTES = 400  # of a task outside the arrays: its digest, and its place in the table of rows


def array_bytes(*values: Any) -> int:
    """Bytes of all NumPy arrays in these values, and in what they hold; memory that arrays share counts once."""
    seen: set[int] = set()
    total = 0
    waiting: list[Any] = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, np.ndarray) and value.base is not None:
            value = value.base
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif hasattr(value, "__dict__"):
            waiting.extend(vars(value).values())
    return total
