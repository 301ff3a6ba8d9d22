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


def decide(serving: Candidate, challengers: Sequence[Candidate], *, minimum: int = MINIMUM_PHOTOS) -> Decision:
    """The serving version stays unless a challenger's mean score is higher on at least `minimum` photos.

    Of several better challengers the best one serves; of equals the first. A tie keeps what serves: a change of
    version costs a re-published queue and gains nothing measurable.

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
            if challenger.scores.sum() > winner.scores.sum():
                winner = challenger
    ordered = [winner, *(candidate for candidate in everyone if candidate is not winner)]
    verdicts = tuple(_verdict(candidate, winner, serving, photos, minimum) for candidate in ordered)
    return Decision(winner.version, winner is not serving, verdicts)


def _verdict(candidate: Candidate, winner: Candidate, serving: Candidate, photos: int, minimum: int) -> Verdict:
    better = int((candidate.scores > winner.scores).sum())
    worse = int((candidate.scores < winner.scores).sum())
    from scipy.stats import binomtest  # loads for seconds: only where it is used

    p_value = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    behind = winner.mean - candidate.mean
    return Verdict(
        version=candidate.version,
        score=candidate.mean,
        behind=behind,
        better=better,
        worse=worse,
        p_value=p_value,
        sentence=_sentence(candidate, winner, serving, photos, minimum, behind, better, worse, p_value),
    )


def _sentence(
    candidate: Candidate,
    winner: Candidate,
    serving: Candidate,
    photos: int,
    minimum: int,
    behind: float,
    better: int,
    worse: int,
    p_value: float,
) -> str:
    if candidate is winner:
        if winner is serving:
            return f"{winner.version} keeps serving: {winner.mean:.3f} on {photos} evaluation photos"
        gain = winner.mean - serving.mean
        return (
            f"{winner.version} serves from now on: {winner.mean:.3f} on {photos} evaluation photos, "
            f"{gain:.3f} more than {serving.version}"
        )
    if photos < minimum:
        return (
            f"{candidate.version} is not promoted: {photos} evaluation photos, at least {minimum} are needed to "
            f"compare it with {winner.version}"
        )
    if candidate.scores.sum() == winner.scores.sum():
        return (
            f"{candidate.version} is not promoted: it ties with {winner.version} at {winner.mean:.3f} ({photos} photos)"
        )
    return (
        f"{candidate.version} is not promoted: {candidate.mean:.3f}, {behind:.3f} less than {winner.version} on "
        f"{photos} evaluation photos (better on {better}, worse on {worse}, p = {p_value:.2g})"
    )
