"""From scores or geometry to a batch: which rows, in which order.

Every selector works on rows that are already in a canonical order (see `candidates`), and settles ties in favour of
the earlier row: the same pool gives the same batch in whatever order its tasks arrived. A selector returns positions
into the arrays that it was given and, aligned with them, a non-increasing score in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.priority.pool_view import BoolArray, FloatArray, IntArray

Numbers = NDArray[np.floating[Any]]
Batch = tuple[IntArray, FloatArray]

_BLOCK_ELEMENTS = 1 << 24
"""Largest number of float32 in one block of pairwise products (64 MB)."""


def best_scores(scores: Numbers, count: int) -> Batch:
    """The `count` largest scores, best first; equal scores in the order given. NaN comes last, as 0.

    Args:
        scores: [n] in [0, 1].
        count: how many; at most n are returned.

    Cost: O(n + count log count).
    """
    values = np.nan_to_num(np.asarray(scores, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    count = min(count, values.size)
    if count <= 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
    if count < values.size:
        threshold = np.partition(values, values.size - count)[values.size - count]
        above = np.flatnonzero(values > threshold)
        level = np.flatnonzero(values == threshold)[: count - above.size]
        chosen = np.concatenate([above, level])
        chosen.sort()
    else:
        chosen = np.arange(values.size)
    chosen = chosen[np.argsort(-values[chosen], kind="stable")]
    return chosen, np.clip(values[chosen], 0.0, 1.0)


def position_scores(count: int) -> FloatArray:
    """Scores for an order that has no measure of its own: 1 for the first, falling evenly to 1 / count for the last."""
    return (np.arange(count, 0, -1) / max(count, 1)).astype(np.float32)


def squared_distances(space: FloatArray, point: FloatArray) -> FloatArray:
    """Squared Euclidean distance of each row to one point, scaled by 1/4: [0, 1] for unit rows, 0 = the same."""
    norms = np.einsum("ij,ij->i", space, space)
    return _quarter(norms + point @ point - 2.0 * (space @ point))


def nearest_centre(space: FloatArray, centres: FloatArray) -> FloatArray:
    """Scaled squared distance (see `squared_distances`) to the nearest centre; infinity where there is none.

    Cost: O(n m k) time, O(n) memory: the products are made block by block.
    """
    nearest = np.full(space.shape[0], np.inf, dtype=np.float32)
    if centres.shape[0] == 0:
        return nearest
    centre_norms = np.einsum("ij,ij->i", centres, centres)
    block = max(1, _BLOCK_ELEMENTS // centres.shape[0])
    for start in range(0, space.shape[0], block):
        rows = space[start : start + block]
        products = centre_norms[None, :] - 2.0 * (rows @ centres.T)
        nearest[start : start + block] = _quarter(products.min(axis=1) + np.einsum("ij,ij->i", rows, rows))
    return nearest


def farthest_first(space: FloatArray, count: int, distances: FloatArray | None = None) -> Batch:
    """Greedy k-centre: again and again the row that is farthest from every centre so far [4, 5].

    Args:
        space: float32 [n, k].
        count: how many; at most n.
        distances: scaled squared distance of each row to the nearest centre that exists already; None or infinite:
            no centre yet, and the row nearest to the mean of all rows begins.

    Returns:
        Positions, and the distance of each to its nearest centre at the moment it was chosen (the first without
        any centre: 1).

    Cost: O(count n k) time, O(n) memory.
    """
    count = min(count, space.shape[0])
    chosen = np.empty(count, dtype=np.intp)
    scores = np.empty(count, dtype=np.float32)
    nearest = np.full(space.shape[0], np.inf, dtype=np.float32) if distances is None else distances.copy()
    norms = np.einsum("ij,ij->i", space, space)
    for place in range(count):
        if np.isposinf(nearest).any():
            centre = space.mean(axis=0, dtype=np.float64).astype(np.float32)
            pick = int(np.argmin(squared_distances(space, centre)))
            scores[place] = 1.0
        else:
            pick = int(np.argmax(nearest))
            scores[place] = nearest[pick]
        chosen[place] = pick
        reach = _quarter(norms + norms[pick] - 2.0 * (space @ space[pick]))
        # A row taken before stays below every distance, so that duplicates cannot bring it back.
        nearest = np.minimum(nearest, reach)
        nearest[chosen[: place + 1]] = -1.0
    return chosen, np.minimum.accumulate(np.clip(scores, 0.0, 1.0))


def spread_by_gradient(errors: FloatArray, space: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """k-means++ seeding on the outer products errors_i ⊗ space_i, never written out [6, 7].

    The first is the longest product; each next is drawn with probability proportional to the squared distance to the
    nearest one so far. <e_i ⊗ x_i, e_j ⊗ x_j> = <e_i, e_j> <x_i, x_j> keeps memory at O(n).

    Args:
        errors: float32 [n, L], probabilities minus the one-hot best guess.
        space: float32 [n, k].
        count: how many; at most n.
        rng: draws.

    Returns:
        Positions in the order drawn.

    Cost: O(count n (L + k)).
    """
    n = space.shape[0]
    count = min(count, n)
    chosen = np.empty(count, dtype=np.intp)
    norms = (np.einsum("ij,ij->i", errors, errors) * np.einsum("ij,ij->i", space, space)).astype(np.float64)
    nearest = norms.copy()
    free = np.ones(n, dtype=bool)
    for place in range(count):
        total = float(nearest.sum())
        if place == 0:
            pick = int(np.argmax(nearest))
        elif total > 0.0:
            pick = int(np.searchsorted(np.cumsum(nearest), rng.random() * total, side="right"))
            pick = min(pick, int(np.flatnonzero(nearest > 0.0)[-1]))
        else:
            pick = int(rng.choice(np.flatnonzero(free)))
        chosen[place] = pick
        free[pick] = False
        inner = (errors @ errors[pick]) * (space @ space[pick])
        nearest = np.minimum(nearest, np.maximum(norms + norms[pick] - 2.0 * inner, 0.0))
        nearest[~free] = 0.0
    return chosen


def greedy_cover(sets: sparse.csr_matrix, count: int, allowed: BoolArray) -> Batch:
    """Greedy maximum coverage: again and again the set that adds most elements [23].

    Args:
        sets: bool csr [n, n], symmetric; row i is the set of row i.
        count: how many; at most as many as are allowed.
        allowed: bool [n], the rows that may be chosen. The sets of all other rows count as covered from the start.

    Returns:
        Positions, and what each added over the size of the largest set.

    Cost: O(count n + edges).
    """
    count = min(count, int(allowed.sum()))
    indptr, indices = sets.indptr, sets.indices
    uncovered = np.ones(sets.shape[0], dtype=bool)
    taken = np.flatnonzero(~allowed)
    uncovered[np.unique(sets[taken].indices)] = False
    sizes = np.diff(indptr)
    largest = max(1, int(sizes.max(initial=1)))
    gains = np.asarray(sets.astype(np.float32) @ uncovered.astype(np.float32)).astype(np.int64)
    free = allowed.copy()
    gains[~free] = -1
    chosen = np.empty(count, dtype=np.intp)
    scores = np.empty(count, dtype=np.float32)
    for place in range(count):
        pick = int(np.argmax(gains))
        chosen[place], scores[place] = pick, gains[pick] / largest
        members = indices[indptr[pick] : indptr[pick + 1]]
        fresh = members[uncovered[members]]
        uncovered[fresh] = False
        for element in fresh:
            gains[indices[indptr[element] : indptr[element + 1]]] -= 1
        free[pick] = False
        gains[~free] = -1
    return chosen, scores


def round_robin(groups: Sequence[IntArray], count: int) -> IntArray:
    """One from each group in turn, groups in the order given, each group from its start, until `count` are dealt.

    Cost: O(sum of the group sizes, at most).
    """
    dealt: list[int] = []
    depth = 0
    left = [group for group in groups if group.size]
    while left and len(dealt) < count:
        dealt.extend(int(group[depth]) for group in left[: count - len(dealt)])
        depth += 1
        left = [group for group in left if group.size > depth]
    return np.asarray(dealt, dtype=np.intp)


def _quarter(squared: Numbers) -> FloatArray:
    return np.clip(squared * 0.25, 0.0, 1.0).astype(np.float32)
