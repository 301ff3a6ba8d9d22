"""What further labels will bring: curves through the accuracies known so far, with an honest interval.

Three families that learning curves are known to follow (Viering and Loog, "The Shape of Learning Curves", 2023) are
fitted to the error: a power law, an exponential, and a line in log-odds against log labels.
Which of them is true cannot be told from a hundred labels, so each draw of the bootstrap takes one at random, by how
well it fits. None has a floor: on the photos that are still unlabelled there hardly is one, since the hard ones are
asked about first, and floors made the forecast 0.02 to 0.03 too low (`python -m benchmarks.label_forecast`). The known
accuracies are of one evaluation sample that grows: their errors go together, and are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Family = Callable[[Floats, float, float], Floats]

FEWEST = 3
"""Observations below which nothing is projected."""

DRAWS = 400
COMMON = 0.8
"""Share of an observation's variance that it has in common with the others."""

DRIFT = 0.35
"""Standard deviation of what no family foresees: log-odds for each e-fold of labels beyond the last observation."""

_POWERS = np.linspace(0.0, 1.5, 31)
_SCALES = np.geomspace(0.2, 100.0, 37)
_MIN_SD = 0.005
_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True)
class Observation:
    """An accuracy that was known with so many labels, and its 95 % interval; all but the labels in [0, 1]."""

    labels: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """Accuracies at further numbers of labels; all arrays [k].

    Attributes:
        labels: int, at which is projected.
        middle: median of the draws, [0, 1].
        low, high: 95 % interval, [0, 1].
        draws: [DRAWS, k], what the interval comes from.
    """

    labels: NDArray[np.int64]
    middle: Floats
    low: Floats
    high: Floats
    draws: Floats


@dataclass(frozen=True)
class Needed:
    """Labels that reach an accuracy; None where at least that share of the draws does not reach it in time."""

    middle: int | None
    low: int | None
    high: int | None


def forecast_curve(observed: Sequence[Observation], labels: Sequence[int], *, seed: int = 0) -> Forecast:
    """Project the accuracy to `labels`, each more than the last observation has.

    Raises:
        ValueError: fewer than `FEWEST` observations.
    """
    if len(observed) < FEWEST:
        raise ValueError(f"a curve needs at least {FEWEST} observations, not {len(observed)}")
    ordered = sorted(observed, key=lambda item: item.labels)
    n = np.array([max(item.labels, 1) for item in ordered], dtype=np.float64)
    accuracy = np.array([item.accuracy for item in ordered])
    sd = np.maximum(np.array([(item.high - item.low) / (2 * _Z) for item in ordered]), _MIN_SD)
    ahead = np.array(labels, dtype=np.float64)
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((DRAWS, 1)), rng.standard_normal((DRAWS, n.size))
    noise = sd * (np.sqrt(COMMON) * shared + np.sqrt(1.0 - COMMON) * own)
    errors = np.clip(1.0 - accuracy + noise, 0.002, 0.998)
    fits = (
        _falling(n, errors, sd, ahead, _power),
        _falling(n, errors, sd, ahead, _decay),
        _log_odds(n, errors, sd, ahead),
    )
    likelihood = np.stack([np.exp(-0.5 * (loss - fits[0][1]).clip(-50, 50)) for _, loss in fits])
    cut = np.cumsum(likelihood / likelihood.sum(axis=0), axis=0)
    family = (rng.random(DRAWS) > cut).sum(axis=0).clip(0, len(fits) - 1)
    drawn = np.stack([curve for curve, _ in fits])[family, np.arange(DRAWS)]
    drift = DRIFT * np.log(np.maximum(ahead / n[-1], 1.0)) * rng.standard_normal((DRAWS, 1))
    draws = expit(logit(np.clip(1.0 - drawn, 0.001, 0.999)) + drift)
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975], axis=0)
    return Forecast(np.array(labels, dtype=np.int64), middle, low, high, draws)


def labels_needed(forecast: Forecast, accuracy: float) -> Needed:
    """With how many labels of a forecast an accuracy is reached: the median and the 95 % interval over its draws."""
    reached = np.maximum.accumulate(forecast.draws, axis=1) >= accuracy
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), reached.shape[1])
    places = np.sort(first)

    def at(share: float) -> int | None:
        place = int(places[min(int(share * places.size), places.size - 1)])
        return None if place == reached.shape[1] else int(forecast.labels[place])

    return Needed(at(0.5), at(0.025), at(0.975))


def _power(n: Floats, first: float, shape: float) -> Floats:
    return np.asarray((n / first) ** -shape)


def _decay(n: Floats, first: float, shape: float) -> Floats:
    return np.asarray(np.exp(-(n - first) / (first * shape)))


def _falling(n: Floats, errors: Floats, sd: Floats, ahead: Floats, family: Family) -> tuple[Floats, Floats]:
    """Errors [B, k] ahead of height x shape(n), the height >= 0, and the loss [B] of the best shape."""
    weights = 1.0 / sd**2
    best_loss: Floats = np.full(errors.shape[0], np.inf)
    best = np.zeros((errors.shape[0], ahead.size))
    first = float(n[0])
    for shape in _POWERS if family is _power else _SCALES:
        known, coming = family(n, first, shape), family(ahead, first, shape)
        height = (errors * (weights * known)).sum(axis=1) / np.sum(weights * known**2)
        loss = (weights * (errors - height[:, None] * known) ** 2).sum(axis=1)
        better = loss < best_loss
        best_loss = np.where(better, loss, best_loss)
        best[better] = (height[:, None] * coming)[better]
    return best, best_loss


def _log_odds(n: Floats, errors: Floats, sd: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """Errors [B, k] ahead of a falling line in log-odds against log labels, and its loss [B]."""
    at, coming = np.log(n), np.log(ahead)
    odds = logit(errors)
    weights = (errors.mean(axis=0) * (1.0 - errors.mean(axis=0)) / sd) ** 2  # the delta method
    mean_at, mean_odds = np.average(at, weights=weights), np.average(odds, axis=1, weights=weights)
    slope = ((odds - mean_odds[:, None]) * (weights * (at - mean_at))).sum(axis=1)
    slope = np.minimum(slope / max(float(np.sum(weights * (at - mean_at) ** 2)), 1e-12), 0.0)
    fitted = expit(mean_odds[:, None] + slope[:, None] * (at - mean_at))
    loss = (((errors - fitted) / sd) ** 2).sum(axis=1)
    return expit(mean_odds[:, None] + slope[:, None] * (coming - mean_at)), loss
