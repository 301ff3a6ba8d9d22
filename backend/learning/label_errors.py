"""Which annotations look wrong: what is believed without them, weighed against how seldom people err.

The beliefs are formed without the annotation itself, as in confident learning (Northcutt, Jiang and Chuang, "Confident
Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021). Its thresholds are for thousands of labels; with a
hundred the model errs ten times as often as people do, so here the odds that the annotation is right speak first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

SLIPS = 0.03
"""Share of annotations that people get wrong before anything is known of a photo: 3.4 % is the mean of the ten data
sets of Northcutt, Athalye and Mueller, "Pervasive Label Errors in Test Sets" (2021)."""

DOUBTED = 0.5
"""Doubt from which an annotation is worth a second look: it is more probably wrong than right."""


def label_error_scores(held_out: Floats, given: NDArray[np.integer]) -> NDArray[np.float32]:
    """How probably each annotation is a slip for the likeliest other label: float32 [m] in [0, 1], 1 = surely.

    With p of the other label and q of the annotated one it is s p / (s p + (1 - s) q), s = `SLIPS`: a slip for that
    other label against a right answer.

    Args:
        held_out: float [m, L], what is believed of each photo without its own annotation, calibrated; rows sum to 1.
        given: int [m], the annotated label.
    """
    places = np.arange(given.size)
    own = held_out[places, given].astype(np.float64)
    other = held_out[places, likeliest_others(held_out, given)].astype(np.float64)
    slip, right = SLIPS * other, (1.0 - SLIPS) * own
    return np.asarray(slip / np.maximum(slip + right, 1e-12), dtype=np.float32)


def likeliest_others(held_out: Floats, given: NDArray[np.integer]) -> NDArray[np.intp]:
    """The likeliest label other than the annotated one: int [m]."""
    others = held_out.astype(np.float32, copy=True)
    others[np.arange(given.size), given] = -1.0
    found: NDArray[np.intp] = others.argmax(axis=1)
    return found
