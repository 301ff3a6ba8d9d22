"""Photos that show the same picture are asked about once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from backend.priority.default import Ranked
from backend.priority.pool_view import BoolArray, IntArray, PoolView


def duplicates(view: PoolView, candidates: BoolArray, answered: IntArray) -> BoolArray:
    """Candidates that show what another photo shows, by equal digests or by `view.same_photo`: bool [n].

    Of several candidates the first keeps its place; where one was answered already, all of them are copies. Photos of
    one digest are copies of a skipped one too. Being like a copy makes no copy: of a slow series of photos, each like
    the one before, every few are asked about.
    What is believed of a copy is the answer that the other got: they lie at the same place.

    Args:
        view: a view in digest order; one without digests and `same_photo` has no copies.
        candidates: bool [n], rows that may be asked about.
        answered: int [m], rows with an answer that is learned from.
    """
    found: BoolArray = _files_known(view, candidates)
    like = _alike(view)
    for row in answered:
        found[like.get(int(row), [])] = True
    for row in sorted(like):
        if candidates[row] and not found[row]:
            found[like[row]] = True
    found &= candidates
    return found


def _files_known(view: PoolView, candidates: BoolArray) -> BoolArray:
    """Candidates whose file, by its digest, is that of a labelled photo or of an earlier candidate: bool [n]."""
    if view.digests is None or view.n == 0:
        return np.zeros(view.n, dtype=bool)
    # In digest order photos of one file stand side by side.
    file = np.cumsum([False, *(one != other for one, other in pairwise(view.digests))])
    known = np.zeros(file[-1] + 1, dtype=bool)
    known[file[view.labelled]] = True
    rows = np.flatnonzero(candidates)
    later = np.zeros(view.n, dtype=bool)
    later[rows[1:]] = file[rows[1:]] == file[rows[:-1]]
    found: BoolArray = candidates & (known[file] | later)
    return found


def each_once(rows: IntArray, names: Sequence[str], taken: IntArray) -> tuple[IntArray, IntArray]:
    """The first of `rows` [m] of each name that none of `taken` has, and the others; both in their order.

    Of a file that many tasks show, one speaks for all of them in the evaluation sample: its members would be that file
    again and again.
    """
    seen = {names[row] for row in taken}
    first = np.zeros(rows.size, dtype=bool)
    for place, row in enumerate(rows):
        first[place] = names[row] not in seen
        seen.add(names[row])
    return rows[first], rows[~first]


def _alike(view: PoolView) -> Mapping[int, list[int]]:
    """row -> rows that show the same, for those that have any; in both directions."""
    like: dict[int, list[int]] = {}
    if view.neighbours is None or view.same_photo is None:
        return like
    rows, slots = np.nonzero(view.same_photo)
    for row, other in zip(rows.tolist(), view.neighbours[rows, slots].tolist(), strict=True):
        like.setdefault(row, []).append(other)
        like.setdefault(other, []).append(row)
    return like


def with_duplicates_last(ranked: Ranked, repeated: BoolArray) -> Ranked:
    """The ranking followed by the rows marked in `repeated` [n], with a score of 0."""
    last = np.flatnonzero(repeated)
    if not last.size:
        return ranked
    scores = np.concatenate([ranked.scores, np.zeros(last.size, dtype=np.float32)])
    return Ranked(np.concatenate([ranked.rows, last]), scores, ranked.components)
