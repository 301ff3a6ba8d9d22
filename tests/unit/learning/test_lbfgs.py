from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from backend.learning.lbfgs import Vector, minimise

pytestmark = pytest.mark.unit


def logistic(values: Vector) -> tuple[float, Vector]:
    """Logistic regression with a small penalty, badly scaled: the loss of 40 examples and its gradient."""
    rng = np.random.default_rng(0)
    examples = rng.normal(size=(40, 12)) * np.geomspace(0.1, 10, 12)
    sides = np.sign(examples @ rng.normal(size=12) + rng.normal(size=40))
    margins = sides * (examples @ values)
    pull = -sides / (1 + np.exp(margins))
    value = np.logaddexp(0, -margins).mean() + 5e-3 * values @ values
    return float(value), examples.T @ pull / 40 + 1e-2 * values


def test_it_ends_where_scipy_ends() -> None:
    wanted = minimize(logistic, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-9})
    found = minimise(logistic, np.zeros(12), steps=500)
    assert logistic(found)[0] == pytest.approx(wanted.fun, rel=1e-6)
    np.testing.assert_allclose(found, wanted.x, atol=2e-2)


def test_no_step_goes_up_and_each_is_told() -> None:
    seen: list[float] = []
    told: list[int] = []

    def watched(values: Vector) -> tuple[float, Vector]:
        value, gradient = logistic(values)
        seen.append(value)
        return value, gradient

    found = minimise(watched, np.zeros(12), steps=15, told=told.append)
    assert told == list(range(15))
    assert logistic(found)[0] == min(seen)


def test_where_nothing_can_be_gained_it_stays() -> None:
    start = np.zeros(3)
    found = minimise(lambda values: (float(values @ values), 2 * values), start, steps=5)
    assert not found.any()
