"""Label spreading over the kNN graph (Zhou et al., Learning with Local and Global Consistency, 2004)."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float32]

_PARALLEL_FROM = 500_000
"""Entries of the spread matrix from which row blocks are multiplied on several threads."""

_LOOK_EVERY = 4
"""Steps between two looks at whether anything still changes."""


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
    blocks = _row_blocks(graph, seeds.shape[1])
    kept = np.float32(1.0 - alpha) * seeds
    scaled = [block * np.float32(alpha) for block in blocks]
    current = np.array(seeds if start is None else start, dtype=np.float32)
    with ThreadPoolExecutor(len(scaled)) as threads:
        for step in range(iterations):
            parts = list(threads.map(lambda block, now=current: block @ now, scaled))
            change = 0.0
            offset = 0
            largest = 0.0
            looked_at = step % _LOOK_EVERY == _LOOK_EVERY - 1
            for part in parts:
                rows = slice(offset, offset + part.shape[0])
                part += kept[rows]
                if looked_at:
                    change = max(change, float(np.abs(part - current[rows]).max(initial=0.0)))
                    largest = max(largest, float(part.max(initial=0.0)))
                offset += part.shape[0]
            current = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if looked_at and change <= tolerance * max(largest, 1e-30):
                break
    return current


def _row_blocks(graph: sparse.csr_matrix, columns: int) -> list[sparse.csr_matrix]:
    cores = os.cpu_count() or 1
    n = graph.shape[0]
    if n * columns < _PARALLEL_FROM or cores == 1:
        return [graph]
    bounds = np.linspace(0, n, cores + 1).astype(int)
    return [graph[start:stop] for start, stop in itertools.pairwise(bounds)]
