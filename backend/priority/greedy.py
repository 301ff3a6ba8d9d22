"""Exact lazy greedy maximisation when gains only shrink (Minoux, 1978)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import FloatArray, IntArray

_FEWEST, _MOST = 4, 256
"""Candidates evaluated at a time."""


def lazy_greedy(
    bounds: FloatArray,
    gains: Callable[[IntArray], FloatArray],
    take: Callable[[int], None],
    count: int,
    *,
    ties: NDArray[Any] | None = None,
) -> tuple[IntArray, FloatArray]:
    """Choose `count` candidates one by one, each the best given those before it.

    Because gains only shrink, a stale gain is an upper bound: only candidates whose bound could still win are evaluated
    again, and the result is exactly that of evaluating all of them at every step. They are evaluated some at a time,
    which is cheaper than one by one: twice as many each time, until none of those left could win.

    Args:
        bounds: float32 [n], an upper bound of the gain of each candidate now; -inf: never choose.
        gains: the present gains of candidates int [m], aligned to them.
        take: adds candidate i to the chosen set.
        count: how many to choose.
        ties: sortable [n], decides between equal gains, smallest first; None: the index.

    Returns:
        Chosen candidates int [<= count], best first, and their gains when chosen.
    """
    order = np.lexsort((np.arange(bounds.size) if ties is None else ties, -bounds))
    order = order[np.isfinite(bounds[order])]
    # Lists: numbers are taken from them one by one, at a fraction of what an array takes for each.
    waiting, waiting_bounds = order.tolist(), bounds[order].tolist()
    names = range(bounds.size) if ties is None else ties.tolist()
    position = 0
    heap: list[tuple[float, Any, int, int]] = []
    chosen: list[int] = []
    values: list[float] = []
    evaluated = 0
    while len(chosen) < count:
        # Where the last choice took many evaluations, this one will.
        most = max(_FEWEST, min(evaluated // 2, _MOST))
        evaluated = 0
        while True:
            stale: list[int] = []
            while len(stale) < most:
                if position < len(waiting) and (not heap or -heap[0][0] <= waiting_bounds[position]):
                    stale.append(waiting[position])
                    position += 1
                elif heap and heap[0][3] < len(chosen):
                    stale.append(heapq.heappop(heap)[2])
                else:
                    break
            if not stale:
                break
            rows = np.array(stale, dtype=np.intp)
            for candidate, value in zip(stale, gains(rows).tolist(), strict=True):
                heapq.heappush(heap, (-value, names[candidate], candidate, len(chosen)))
            evaluated += len(stale)
            most = min(2 * most, _MOST)
        if not heap:
            break
        value, _, candidate, _ = heapq.heappop(heap)
        chosen.append(candidate)
        values.append(-value)
        take(candidate)
    return np.array(chosen, dtype=np.intp), np.array(values, dtype=np.float32)
