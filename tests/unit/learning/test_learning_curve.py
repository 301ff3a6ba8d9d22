"""Projections of learning curves: intervals that hold for curves of each family, targets, and what is asked too early."""

from __future__ import annotations

import numpy as np
import pytest

from backend.learning.learning_curve import Observation, forecast_curve, labels_needed

pytestmark = pytest.mark.unit

CURVES = {
    "power": lambda n: 1.0 - 0.03 - 3.0 * n**-0.7,
    "exponential": lambda n: 0.96 - 0.5 * np.exp(-n / 120.0),
    "log-odds": lambda n: 1.0 / (1.0 + np.exp(3.2 - 1.0 * np.log(n))),
}


def observed(curve: str, seed: int) -> list[Observation]:
    """What is known of a curve up to 100 labels, with errors that go together."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal()
    found = []
    for labels in range(20, 101, 10):
        sd = 0.15 / np.sqrt(labels / 10.0)
        value = float(np.clip(CURVES[curve](labels) + sd * (0.8 * shared + 0.4 * rng.standard_normal()), 0.02, 0.99))
        found.append(Observation(labels, value, max(value - 1.96 * sd, 0.0), min(value + 1.96 * sd, 1.0)))
    return found


@pytest.mark.parametrize("curve", CURVES)
def test_the_interval_holds_for_curves_of_each_family(curve: str) -> None:
    held = np.zeros(2)
    for seed in range(40):
        forecast = forecast_curve(observed(curve, seed), [300, 600])
        truth = np.array([CURVES[curve](300.0), CURVES[curve](600.0)])
        held += (forecast.low <= truth) & (truth <= forecast.high)
        assert (forecast.low <= forecast.middle).all()
        assert (forecast.middle <= forecast.high).all()
    assert (held >= 34).all(), held


def test_a_curve_that_ended_is_not_taken_for_one_that_grows() -> None:
    flat = [Observation(n, 0.8, 0.79, 0.81) for n in range(50, 500, 50)]
    forecast = forecast_curve(flat, list(range(500, 3000, 50)))
    assert abs(forecast.middle[-1] - 0.8) < 0.05
    assert labels_needed(forecast, 0.99).middle is None


def test_the_labels_that_a_target_needs() -> None:
    known = [
        Observation(n, float(CURVES["power"](n)), *(float(CURVES["power"](n)) + np.array([-0.005, 0.005])))
        for n in range(40, 401, 40)
    ]
    forecast = forecast_curve(known, list(range(401, 2000, 10)))
    needed = labels_needed(forecast, 0.94)  # reached at 1.0 - 0.03 - 0.03: 718 labels
    assert needed.low is not None
    assert needed.middle is not None
    assert needed.low <= 718
    assert 450 <= needed.middle <= 1100
    assert needed.high is None or needed.high >= 718


def test_too_few_observations_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        forecast_curve([Observation(10, 0.5, 0.4, 0.6)], [100])
