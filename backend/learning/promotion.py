"""Promotion: which model version serves, judged on photos that no candidate learned from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_PHOTOS = 20
ENOUGH_PHOTOS = 200
"""Evaluation photos from which on they decide alone, and any gain counts."""

SIGNIFICANCE = 0.05
"""While they are fewer, a gain must be more than chance: measured with 20 to 40 of them, a head that was truly 4 points
worse came out ahead four times in five."""


@dataclass(frozen=True)
class Candidate:
    """A version and its score on each photo, [n] in [0, 1], 1 = right (`evaluation.photo_scores`).

    All candidates of one decision are scored on the same photos in the same order: those of the evaluation sample first,
    then, while they are few, annotated photos that the order chose, cross-validated.

    Attributes:
        sample: how many of the scores are of the evaluation sample; None: all.
    """

    version: str
    scores: NDArray[np.float64]
    sample: int | None = None

    @property
    def mean(self) -> float:
        """Mean score in [0, 1]; for one label a photo this is the accuracy. 0 without photos."""
        return float(self.scores.mean()) if len(self.scores) else 0.0

    @property
    def on_sample(self) -> NDArray[np.float64]:
        """Scores on the evaluation sample."""
        return self.scores[: self.sample]


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
    renewed: Collection[str] = (),
    minimum: int = MINIMUM_PHOTOS,
    enough: int = ENOUGH_PHOTOS,
    significance: float = SIGNIFICANCE,
) -> Decision:
    """The serving version stays unless a challenger is better on `minimum` photos or more.

    Better is a higher mean score, by more than chance while the evaluation photos are fewer than `enough`, and never a
    lower one on the evaluation sample itself, if that has `minimum` photos. Of several better challengers the best one
    serves; of equals the first. A tie keeps what serves: a change of version costs a re-published queue and gains nothing
    measurable.

    Args:
        renewed: challengers made as the serving version was, from more annotations: they need not be better, only not
            worse.
        significance: largest p-value, (0, 1], of the sign test against the serving version with which a challenger wins.

    Raises:
        ValueError: the candidates were not scored on the same number of photos, or two have the same version.
    """
    everyone = (serving, *challengers)
    if len({len(candidate.scores) for candidate in everyone}) > 1:
        raise ValueError("candidates must be scored on the same photos")
    if len({candidate.version for candidate in everyone}) < len(everyone):
        raise ValueError("two candidates have the same version")
    winner, limit = serving, significance if len(serving.on_sample) < enough else 1.0
    if len(serving.scores) >= minimum:
        for challenger in challengers:
            if _may_serve(challenger, serving, challenger.version in renewed, minimum, limit) and (
                winner is serving or challenger.scores.sum() > winner.scores.sum()
            ):
                winner = challenger
    ordered = [winner, *(candidate for candidate in everyone if candidate is not winner)]
    verdicts = tuple(_verdict(candidate, winner, serving, minimum, limit) for candidate in ordered)
    return Decision(winner.version, winner is not serving, verdicts)


def _may_serve(challenger: Candidate, serving: Candidate, renewed: bool, minimum: int, limit: float) -> bool:
    if len(serving.on_sample) >= minimum and challenger.on_sample.sum() < serving.on_sample.sum():
        return False
    if renewed:
        return bool(challenger.scores.sum() >= serving.scores.sum())
    return bool(challenger.scores.sum() > serving.scores.sum()) and _sign_test(challenger, serving)[2] <= limit


def _sign_test(one: Candidate, other: Candidate) -> tuple[int, int, float]:
    """Photos on which `one` is better, on which it is worse, and the exact two-sided p-value of that."""
    from scipy.stats import binomtest  # loads for seconds: only where it is used

    better, worse = int((one.scores > other.scores).sum()), int((one.scores < other.scores).sum())
    return better, worse, float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _verdict(candidate: Candidate, winner: Candidate, serving: Candidate, minimum: int, limit: float) -> Verdict:
    better, worse, p_value = _sign_test(candidate, winner)
    photos = _photos(candidate)
    if candidate is winner and winner is serving:
        sentence = f"{winner.version} keeps serving: {winner.mean:.3f} on {photos}"
    elif candidate is winner:
        sentence = f"{winner.version} serves from now on: {_against(winner, serving, photos)}"
    elif candidate is serving:
        sentence = f"{serving.version} no longer serves: {_against(serving, winner, photos)}"
    elif len(candidate.scores) < minimum:
        sentence = f"{candidate.version} is not promoted: {photos}, at least {minimum} are needed to compare versions"
    else:
        sentence = f"{candidate.version} is not promoted: {_against(candidate, winner, photos)}"
        if candidate.scores.sum() > winner.scores.sum():
            fewer = candidate.on_sample.sum() < winner.on_sample.sum()
            sentence += ", but less on the evaluation photos" if fewer else f", which may be chance (p > {limit:g})"
    return Verdict(candidate.version, candidate.mean, winner.mean - candidate.mean, better, worse, p_value, sentence)


def _photos(candidate: Candidate) -> str:
    sample = len(candidate.on_sample)
    crossed = len(candidate.scores) - sample
    if not crossed:
        return f"{sample} evaluation photos"
    return f"{sample} evaluation and {crossed} cross-validated photos"


def _against(candidate: Candidate, other: Candidate, photos: str) -> str:
    behind = other.mean - candidate.mean
    if candidate.scores.sum() == other.scores.sum():
        return f"it ties with {other.version} at {other.mean:.3f} ({photos})"
    better, worse, p_value = _sign_test(candidate, other)
    return (
        f"{candidate.mean:.3f}, {abs(behind):.3f} {'less' if behind > 0 else 'more'} than {other.version} on {photos} "
        f"(better on {better}, worse on {worse}, p = {p_value:.2g})"
    )
