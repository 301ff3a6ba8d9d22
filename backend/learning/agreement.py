"""Do annotators agree? Krippendorff's alpha for nominal answers, and who agrees with the others how often.

After Krippendorff, "Content Analysis" (2004), chapter 11.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PersonAgreement:
    """One annotator against the others on the same photos: pairs of answers, and how many of them were the same."""

    person: int
    pairs: int
    same: int


@dataclass(frozen=True)
class Agreement:
    """All annotators.

    Attributes:
        photos: that two or more answered.
        agreed: of these, how many got one answer from all.
        alpha: Krippendorff's alpha, at most 1; 1 = they agree, 0 = as chance alone would, None: nothing varies.
        people: each annotator who shares a photo with another, the least agreeing first.
    """

    photos: int
    agreed: int
    alpha: float | None
    people: tuple[PersonAgreement, ...]


def agreement(answers: Mapping[int, Sequence[tuple[int, Hashable]]]) -> Agreement:
    """Agreement over photos.

    Args:
        answers: photo -> (annotator, answer) of each of its annotations.
    """
    shared = {photo: given for photo, given in answers.items() if len(given) > 1}
    pairs: Counter[int] = Counter()
    same: Counter[int] = Counter()
    observed = 0.0
    totals: defaultdict[Hashable, int] = defaultdict(int)
    for given in shared.values():
        counts = Counter(answer for _, answer in given)
        size = len(given)
        observed += sum(count * (size - count) for count in counts.values()) / (size - 1)
        for answer, count in counts.items():
            totals[answer] += count
        for place, (person, answer) in enumerate(given):
            for other, (somebody, said) in enumerate(given):
                if place != other and person != somebody:
                    pairs[person] += 1
                    same[person] += answer == said
    n = sum(totals.values())
    expected = sum(count * (n - count) for count in totals.values()) / (n - 1) if n > 1 else 0.0
    return Agreement(
        photos=len(shared),
        agreed=sum(len({answer for _, answer in given}) == 1 for given in shared.values()),
        alpha=1.0 - observed / expected if expected else None,
        people=tuple(
            sorted(
                (PersonAgreement(person, pairs[person], same[person]) for person in pairs),
                key=lambda found: (found.same / found.pairs, found.person),
            )
        ),
    )
