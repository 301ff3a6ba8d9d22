"""Which annotations look wrong: confident learning on beliefs that were formed without them.

After Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

DOUBTED = 0.5
"""Doubt from which an annotation is worth a second look."""


def label_doubts(held_out: Floats, given: NDArray[np.integer]) -> NDArray[np.float32]:
    """How much speaks against each annotation: float32 [m] in [0, 1], 1 = surely wrong, 0 = nothing that counts.

    The doubt is the lead of the likeliest other label, (p_other - p_given + 1) / 2 (the normalised margin), times how
    sure the model is of that label compared with how sure it usually is of photos that were annotated with it, at most
    1: so a label that is believed of everything accuses no other. Doubts below `DOUBTED` count as none.

    Args:
        held_out: float [m, L], what is believed of each photo without its own annotation; rows sum to 1.
        given: int [m], the annotated label.
    """
    m, labels = held_out.shape
    doubts = np.zeros(m, dtype=np.float32)
    if not m:
        return doubts
    places = np.arange(m)
    own = held_out[places, given].astype(np.float64)
    counts = np.bincount(given, minlength=labels)
    usual = np.bincount(given, weights=own, minlength=labels) / np.maximum(counts, 1)
    other = rivals(held_out, given)
    strongest = held_out[places, other].astype(np.float64)
    # A label that nobody gave yet accuses no other: nothing tells how it is usually believed.
    sureness = np.where(counts[other] > 0, np.minimum(strongest / np.maximum(usual[other], 1e-9), 1.0), 0.0)
    found = (strongest - own + 1.0) / 2.0 * sureness
    doubts[:] = np.where((strongest > own) & (found >= DOUBTED), found, 0.0)
    return doubts


def rivals(held_out: Floats, given: NDArray[np.integer]) -> NDArray[np.intp]:
    """The likeliest label other than the annotated one: int [m]."""
    others = held_out.astype(np.float32, copy=True)
    others[np.arange(given.size), given] = -1.0
    found: NDArray[np.intp] = others.argmax(axis=1)
    return found
