"""Promotion: which of two model versions serves, decided where they answer differently.

On photos that both name alike their difference is exactly zero: only the others can tell them apart, and a handful of
those, drawn at random, decide what hundreds drawn anywhere would. Each such photo on which just one of the two is right
is a toss of a coin; its bias is what matters (the sign test's view; Dietterich, "Approximate statistical tests for
comparing supervised classification learning algorithms", 1998, names McNemar's test for it). Labels are asked for one
after another, so that a clear case is decided early: Beta posterior of the bias from a uniform prior, with a limit for
each side and a last photo.

Exactly computed: a candidate that is right on 40 % of the decisive photos is promoted in 5 of 100 cases, one that is
right on 30 % in 1; one that is right on 80 % in 91, after 8 decisive photos on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SURE_BETTER = 0.95
"""Probability that the candidate is the better one, from which on it serves."""

SURE_WORSE = 0.2
"""Probability that the candidate is the better one, from which down it is turned away: asking on would cost more than
it brings."""

MAX_JUDGED = 20
"""Judged photos after which what serves stays, if nothing is clear by then."""

WORTH_ASKING = 0.005
"""Share of the unlabelled photos that two versions have to name differently; with fewer neither is worth anybody's
minutes."""


class Outcome(StrEnum):
    """What a comparison comes to."""

    PROMOTE = "promote"
    KEEP = "keep"
    ASK = "ask"


@dataclass(frozen=True)
class Disagreement:
    """How a candidate and the serving version compare where they differ.

    Attributes:
        candidate, serving: the versions.
        unlabelled: photos that nobody answered yet.
        differing: how many of them the two name differently.
        better: judged photos, drawn at random among those that the two name differently, on which only the candidate is
            right.
        worse: those on which only the serving version is right.
        neither: those on which both are wrong.
    """

    candidate: str
    serving: str
    unlabelled: int
    differing: int
    better: int = 0
    worse: int = 0
    neither: int = 0

    @property
    def judged(self) -> int:
        """Photos that people have judged."""
        return self.better + self.worse + self.neither

    @property
    def gain(self) -> float:
        """Estimated accuracy of the candidate minus that of the serving version on the unlabelled photos, [-1, 1].

        Unbiased: the share that differs times the mean difference on those judged. 0 before any was.
        """
        if not self.unlabelled or not self.judged:
            return 0.0
        return self.differing / self.unlabelled * (self.better - self.worse) / self.judged

    @property
    def probability(self) -> float:
        """Probability that the candidate is right more often than the serving version where they differ, [0, 1]."""
        from scipy.special import betainc  # loads for seconds: only where it is used

        return float(1.0 - betainc(self.better + 1, self.worse + 1, 0.5))

    def outcome(self, *, renewed: bool = False) -> Outcome:
        """Whether the candidate serves, does not, or people are asked about more photos.

        Args:
            renewed: the candidate was made as the serving version was, from more annotations: it serves unless it is
                worse.
        """
        if self.judged and self.probability <= SURE_WORSE:
            return Outcome.KEEP
        if renewed or (self.judged and self.probability >= SURE_BETTER):
            return Outcome.PROMOTE
        if self.judged >= MAX_JUDGED or self.differing < WORTH_ASKING * self.unlabelled or not self.differing:
            return Outcome.KEEP
        return Outcome.ASK

    def sentence(self, outcome: Outcome) -> str:
        """For people: what became of the candidate, and why."""
        differ = f"they differ on {self.differing:,} of {self.unlabelled:,} unlabelled photos"
        if not self.differing and not self.judged:
            return f"{self.candidate} answers as {self.serving} does on every unlabelled photo: {self.serving} keeps serving"
        on_judged = (
            f"of {self.judged} judged photos on which they differ {self.candidate} alone was right on {self.better}, "
            f"{self.serving} alone on {self.worse}"
        )
        if outcome is Outcome.ASK:
            so_far = f"; so far, {on_judged}" if self.judged else ""
            return f"{self.candidate} is compared with {self.serving}: {differ}; some of these are asked first{so_far}"
        if outcome is Outcome.PROMOTE:
            reason = on_judged if self.judged else differ
            return f"{self.candidate} serves from now on instead of {self.serving}: {reason}"
        if not self.judged:
            return f"{self.candidate} is not promoted: {differ}, too few to matter"
        return f"{self.candidate} is not promoted: {on_judged}"
