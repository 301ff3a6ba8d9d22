"""Label spreading over the kNN graph (Zhou et al., Learning with Local and Global Consistency, 2004)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

FloatArray = NDArray[np.float32]

_RENUMBER_FROM = 50_000
"""Rows from which the graph is renumbered: below, the processor's caches hold what is multiplied anyway."""

_PARALLEL_FROM = 500_000
"""Entries of the spread matrix from which blocks are worked on by several threads."""

_BLOCK_ENTRIES = 400_000
"""Entries of the blocks of rows that are worked on at once: little enough for the processor's cache."""

MOST_COLUMNS = 0.75
"""Share of the labels that may have something to spread for the others to be left out: with more it is not worth a copy."""

_LOOK_EVERY = 4
"""Steps between two looks at whether anything still changes."""


class SpreadingGraph:
    """A normalised graph made ready for spreading.

    A step reads the labels of every neighbour of every image. In a large pool these lie anywhere in memory, and waiting
    for them is most of the work; images are therefore renumbered so that neighbours are near each other (reverse
    Cuthill-McKee, 1969). Callers see the order that they gave.
    """

    def __init__(self, graph: sparse.csr_matrix) -> None:
        """`graph` is S, csr [n, n], symmetrically normalised."""
        self._order: NDArray[np.int32] | None = None
        if graph.shape[0] >= _RENUMBER_FROM:
            self._order = reverse_cuthill_mckee(graph, symmetric_mode=True)
            graph = graph[self._order][:, self._order]
        self._graph = graph

    def spread(
        self, seeds: FloatArray, *, alpha: float, iterations: int, start: FloatArray | None = None
    ) -> FloatArray:
        """`spread` of seeds [n, L] from `start` [n, L]; rows in the caller's order.

        Labels that nobody gave spread nothing, and cost nothing.
        """
        given = seeds.any(axis=0) if start is None else seeds.any(axis=0) | start.any(axis=0)
        if given.sum() <= MOST_COLUMNS * given.size:
            arrived = np.zeros(seeds.shape, dtype=np.float32)
            if given.any():
                first = None if start is None else np.ascontiguousarray(start[:, given])
                arrived[:, given] = self._spread(np.ascontiguousarray(seeds[:, given]), alpha, iterations, first)
            return arrived
        return self._spread(seeds, alpha, iterations, start)

    def _spread(self, seeds: FloatArray, alpha: float, iterations: int, start: FloatArray | None) -> FloatArray:
        if self._order is None:
            return spread(self._graph, seeds, alpha=alpha, iterations=iterations, start=start)
        first = None if start is None else start[self._order]
        renumbered = spread(self._graph, seeds[self._order], alpha=alpha, iterations=iterations, start=first)
        result = np.empty_like(renumbered)
        result[self._order] = renumbered
        return result


def spread(
    graph: sparse.csr_matrix,
    seeds: FloatArray,
    *,
    alpha: float = 0.95,
    iterations: int = 30,
    tolerance: float = 1e-3,
    start: FloatArray | None = None,
) -> FloatArray:
    """Iterate F <- alpha S F + (1 - alpha) Y: float32 [n, L], unnormalised.

    Args:
        graph: S, csr [n, n], symmetrically normalised.
        seeds: Y, float32 [n, L].
        alpha: how far labels travel, in (0, 1).
        iterations: most iterations.
        tolerance: stop when the largest change falls below this share of the largest value.
        start: F of an earlier call, to start from; None: Y.
    """
    n, columns = seeds.shape
    rows = max(1, _BLOCK_ENTRIES // max(columns, 1))
    blocks = [
        (slice(first, first + rows), graph[first : first + rows] * np.float32(alpha)) for first in range(0, n, rows)
    ]
    kept = np.float32(1.0 - alpha) * seeds
    seeded: NDArray[np.bool_] = np.any(kept, axis=1)
    current = np.array(seeds if start is None else start, dtype=np.float32)
    following = np.empty_like(current)

    def advance(block: tuple[slice, sparse.csr_matrix], *, look: bool) -> tuple[float, float]:
        """One step of the rows of a block, while they are in the processor's cache; the largest change and value."""
        place, weights = block
        part = weights @ current
        here = np.flatnonzero(seeded[place])
        part[here] += kept[place][here]
        following[place] = part
        if not look:
            return 0.0, 0.0
        return float(np.abs(part - current[place]).max(initial=0.0)), float(part.max(initial=0.0))

    def advance_all(step: int, each: Callable[..., Iterable[tuple[float, float]]]) -> bool:
        """One step; whether it left nearly everything as it was."""
        nonlocal current, following
        look = step % _LOOK_EVERY == _LOOK_EVERY - 1
        looks = list(each(partial(advance, look=look), blocks))
        current, following = following, current
        return look and max(change for change, _ in looks) <= tolerance * max(*(value for _, value in looks), 1e-30)

    if n * columns < _PARALLEL_FROM:  # a small pool is done before a thread has started
        any(advance_all(step, map) for step in range(iterations))
        return current
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        any(advance_all(step, threads.map) for step in range(iterations))
    return current
