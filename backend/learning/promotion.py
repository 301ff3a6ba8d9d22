"""Promotion: which model version serves, judged on the same held-out evaluation photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_PHOTOS = 20


@dataclass(frozen=True)
class Candidate:
    """A version and its score on each evaluation photo, [n] in [0, 1], 1 = right (`evaluation.photo_scores`).

    All candidates of one decision are scored on the same photos in the same order.
    """

    version: str
    scores: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean score in [0, 1]; for one label a photo this is the accuracy. 0 without photos."""
        return float(self.scores.mean()) if len(self.scores) else 0.0


@dataclass(frozen=True)
class Verdict:
    """What became of one candidate."""

    version: str
    score: float  # mean score, [0, 1]
    behind: float  # how far its mean score is below that of the version that serves; negative: above it
    better: int  # photos on which it beats the version that serves
    worse: int  # photos on which it loses to it
    p_value: float  # exact two-sided sign test over those photos, [0, 1]; 1 = nothing tells them apart
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Which version serves from now on, and a verdict for every candidate, the serving one first."""

    serves: str
    changed: bool
    verdicts: tuple[Verdict, ...]


def decide(
    serving: Candidate,
    challengers: Sequence[Candidate],
    *,
    minimum: int = MINIMUM_PHOTOS,
    significance: float = 1.0,
    photos_are: str = "evaluation photos",
) -> Decision:
    """The serving version stays unless a challenger's mean score is higher on at least `minimum` photos.

    Of several better challengers the best one serves; of equals the first. A tie keeps what serves: a change of
    version costs a re-published queue and gains nothing measurable.

    Args:
        significance: largest p-value, (0, 1], of the sign test against the serving version with which a challenger may
            win; 1 = any gain counts. Less than 1 is for photos that are no random sample, where small gains mean little.
        photos_are: what the sentences call the photos.

    Raises:
        ValueError: the candidates were not scored on the same number of photos, or two have the same version.
    """
    everyone = (serving, *challengers)
    if len({len(candidate.scores) for candidate in everyone}) > 1:
        raise ValueError("candidates must be scored on the same photos")
    if len({candidate.version for candidate in everyone}) < len(everyone):
        raise ValueError("two candidates have the same version")
    photos = len(serving.scores)
    winner = serving
    if photos >= minimum:
        for challenger in challengers:
            if challenger.scores.sum() > winner.scores.sum() and _sign_test(challenger, serving)[2] <= significance:
                winner = challenger
    ordered = [winner, *(candidate for candidate in everyone if candidate is not winner)]
    verdicts = tuple(_verdict(candidate, winner, serving, minimum, photos_are) for candidate in ordered)
    return Decision(winner.version, winner is not serving, verdicts)


def _sign_test(one: Candidate, other: Candidate) -> tuple[int, int, float]:
    """Photos on which `one` is better, on which it is worse, and the exact two-sided p-value of that."""
    from scipy.stats import binomtest  # loads for seconds: only where it is used

    better, worse = int((one.scores > other.scores).sum()), int((one.scores < other.scores).sum())
    return better, worse, float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _verdict(candidate: Candidate, winner: Candidate, serving: Candidate, minimum: int, photos_are: str) -> Verdict:
    better, worse, p_value = _sign_test(candidate, winner)
    photos = f"{len(candidate.scores)} {photos_are}"
    if candidate is winner and winner is serving:
        sentence = f"{winner.version} keeps serving: {winner.mean:.3f} on {photos}"
    elif candidate is winner:
        gain = winner.mean - serving.mean
        sentence = f"{winner.version} serves from now on: {winner.mean:.3f} on {photos}, {gain:.3f} more than {serving.version}"
    elif len(candidate.scores) < minimum:
        sentence = (
            f"{candidate.version} is not promoted: {photos}, at least {minimum} are needed to compare it with "
            f"{winner.version}"
        )
    else:
        sentence = f"{candidate.version} is not promoted: {_against(candidate, winner, photos, better, worse, p_value)}"
    return Verdict(candidate.version, candidate.mean, winner.mean - candidate.mean, better, worse, p_value, sentence)


def _against(candidate: Candidate, winner: Candidate, photos: str, better: int, worse: int, p_value: float) -> str:
    behind = winner.mean - candidate.mean
    if candidate.scores.sum() == winner.scores.sum():
        return f"it ties with {winner.version} at {winner.mean:.3f} ({photos})"
    counted = f"on {photos} (better on {better}, worse on {worse}, p = {p_value:.2g})"
    if behind < 0:
        return f"{candidate.mean:.3f}, {-behind:.3f} more than {winner.version} {counted}, which may be chance"
    return f"{candidate.mean:.3f}, {behind:.3f} less than {winner.version} {counted}"
