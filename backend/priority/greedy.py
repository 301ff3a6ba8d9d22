"""Exact lazy greedy maximisation when gains only shrink (Minoux, 1978)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.priority.pool_view import FloatArray, IntArray


def lazy_greedy(
    bounds: FloatArray,
    gain: Callable[[int], float],
    take: Callable[[int], None],
    count: int,
    *,
    ties: NDArray[Any] | None = None,
) -> tuple[IntArray, FloatArray]:
    """Choose `count` candidates one by one, each the best given those before it.

    Because gains only shrink, a stale gain is an upper bound: only candidates whose bound could still win are evaluated
    again, and the result is exactly that of evaluating all of them at every step.

    Args:
        bounds: float32 [n], an upper bound of the gain of each candidate now; -inf: never choose.
        gain: the present gain of candidate i.
        take: adds candidate i to the chosen set.
        count: how many to choose.
        ties: sortable [n], decides between equal gains, smallest first; None: the index.

    Returns:
        Chosen candidates int [<= count], best first, and their gains when chosen.
    """
    names = np.arange(bounds.size) if ties is None else ties
    waiting = np.lexsort((names, -bounds))
    waiting = waiting[np.isfinite(bounds[waiting])]
    position = 0
    heap: list[tuple[float, Any, int, int]] = []
    chosen: list[int] = []
    gains: list[float] = []
    while len(chosen) < count:
        while position < waiting.size and (not heap or -heap[0][0] <= bounds[waiting[position]]):
            candidate = int(waiting[position])
            heapq.heappush(heap, (-float(gain(candidate)), names[candidate], candidate, len(chosen)))
            position += 1
        if not heap:
            break
        value, name, candidate, evaluated_at = heapq.heappop(heap)
        if evaluated_at == len(chosen):
            chosen.append(candidate)
            gains.append(-value)
            take(candidate)
        else:
            heapq.heappush(heap, (-float(gain(candidate)), name, candidate, len(chosen)))
    return np.array(chosen, dtype=np.intp), np.array(gains, dtype=np.float32)
