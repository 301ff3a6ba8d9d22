"""Minimising a smooth convex function of very many variables: limited-memory BFGS with two loops over the last steps.

Written with sums over arrays instead of a library's calls for each vector: those wake every thread of the processor some
hundred times a step, which takes longer than the step where other programs are at work (measured: five times as long).
Source: D. C. Liu, J. Nocedal, "On the limited memory BFGS method for large scale optimization" (1989).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

REMEMBERED = 10  # steps
DESCENT = 1e-4  # share of the descent that the slope promises, which a step has to bring (Armijo)
TRIALS = 20  # lengths of a step
ENOUGH = 1e-9  # descent as a share of the value: where a step brings less, it is the last


def minimise(
    function: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    *,
    steps: int,
    told: Callable[[int], None] = lambda step: None,
) -> Vector:
    """The variables float64 [n] that minimise `function`, which gives a value and its gradient [n].

    Args:
        steps: most steps; each asks the function once, seldom more.
        told: called with the number of steps that were made, 0 before the first.
    """
    place, (value, gradient) = start, function(start)
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=REMEMBERED)
    for step in range(steps):
        told(step)
        direction = _direction(gradient, pairs)
        slope = _dot(gradient, direction)
        if slope >= 0:  # nothing is left but rounding errors
            break
        length = 1.0 if pairs else min(1.0, 1.0 / _dot(gradient, gradient) ** 0.5)
        for _ in range(TRIALS):
            there = place + length * direction
            lower, turned = function(there)
            if lower <= value + DESCENT * length * slope:
                break
            length /= 2
        else:
            break
        moved, bent = there - place, turned - gradient
        curvature = _dot(moved, bent)
        if curvature > 1e-12 * _dot(bent, bent):
            pairs.append((moved, bent, 1 / curvature))
        gained, place, value, gradient = value - lower, there, lower, turned
        if gained <= ENOUGH * max(abs(value), 1.0):
            break
    return place


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector, float]]) -> Vector:
    """The way down: minus the gradient, bent by what the last steps told about the curvature."""
    found = -gradient
    shares = []
    for moved, bent, inverse in reversed(pairs):
        share = inverse * _dot(moved, found)
        found -= share * bent
        shares.append(share)
    if pairs:
        moved, bent, inverse = pairs[-1]
        found /= inverse * _dot(bent, bent)
    for (moved, bent, inverse), share in zip(pairs, reversed(shares), strict=True):
        found += (share - inverse * _dot(bent, found)) * moved
    return found


def _dot(first: Vector, second: Vector) -> float:
    return float((first * second).sum())
