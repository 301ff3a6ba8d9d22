"""Photos that are the same file are asked about once."""

from __future__ import annotations

import numpy as np

from backend.priority.default import Ranked
from backend.priority.pool_view import BoolArray, PoolView


def duplicates(view: PoolView, candidates: BoolArray) -> BoolArray:
    """Candidates that show what another photo shows, by equal digests: bool [n].

    Of several candidates the first keeps its place; where one was labelled or skipped already, all of them are copies.
    What is believed of a copy is the answer that the other got: they lie at the same place.

    Args:
        view: a view in digest order; one without digests has no copies.
        candidates: bool [n], rows that may be asked about.
    """
    found: BoolArray = np.zeros(view.n, dtype=bool)
    if view.digests is None:
        return found
    seen = {view.digests[row] for row in np.flatnonzero(view.labelled)}
    for row in np.flatnonzero(candidates):
        found[row] = view.digests[row] in seen
        seen.add(view.digests[row])
    return found


def with_duplicates_last(ranked: Ranked, repeated: BoolArray) -> Ranked:
    """The ranking followed by the rows marked in `repeated` [n], with a score of 0."""
    last = np.flatnonzero(repeated)
    if not last.size:
        return ranked
    scores = np.concatenate([ranked.scores, np.zeros(last.size, dtype=np.float32)])
    return Ranked(np.concatenate([ranked.rows, last]), scores, ranked.components)
