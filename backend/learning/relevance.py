"""Relevance: whether a photo belongs to the project, from what ImageNet says of it and from what annotators said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

FloatArray = NDArray[np.float32]

IRRELEVANT_SHARE = 0.05
"""Share of the pool that does not belong before anyone said anything. A photo that belongs and is called irrelevant
costs its team more than a stranger that is asked about."""

EXPECTED_LOGIT = 1.5
"""Log odds that say how large the irrelevant share of the pool may be, for the weight of irrelevant answers."""

PRIOR_SLOPE = 2.0
"""Change of the log odds for each standard deviation of the signals."""

PRIOR_SAMPLE = 200
PRIOR_WEIGHT = 4.0
"""The prior counts as much as this many annotations, spread over a sample of the pool."""

INVERSE_PENALTY = 10.0

_LEAST = 1e-4  # nothing is ruled out


class Pool(Protocol):
    """What is read of a pool of n photos."""

    space: FloatArray

    @property
    def n(self) -> int:
        """Photos."""

    def smooth(self, values: FloatArray) -> FloatArray:
        """Values [n], averaged with the neighbours'."""


@dataclass(frozen=True)
class RelevanceHints:
    """What is known of n photos and L labels before anybody said whether a photo belongs.

    Attributes:
        irrelevant: bool [L], the labels for photos that do not belong, such as `Not relevant`.
        mass: float32 [n] in [0, 1], ImageNet mass below the roots of relevance, 1 = relevant; None: no roots are set.
        unknown: float32 [n] in [0, 1], 1 = most unlike anything the backbone was trained on; None: not measured.
    """

    irrelevant: NDArray[np.bool_]
    mass: FloatArray | None = None
    unknown: FloatArray | None = None

    @property
    def used(self) -> bool:
        """Whether anything tells photos that belong from others."""
        return self.mass is not None or bool(self.irrelevant.any())

    def signals(self, prior: FloatArray) -> list[FloatArray]:
        """The signals of `learn_relevance`, given the labels' prior [n, L]."""
        found = [] if self.mass is None else [self.mass]
        if self.irrelevant.any():
            found.append(1.0 - prior[:, self.irrelevant].sum(axis=1))
        return found

    def take(self, rows: NDArray[np.integer]) -> RelevanceHints:
        """The hints of some of the photos."""
        return RelevanceHints(
            self.irrelevant,
            None if self.mass is None else self.mass[rows],
            None if self.unknown is None else self.unknown[rows],
        )

    def joined(self, others: RelevanceHints) -> RelevanceHints:
        """The hints of these photos followed by others of the same labels."""

        def both(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
            return None if first is None or second is None else np.concatenate([first, second])

        return RelevanceHints(self.irrelevant, both(self.mass, others.mass), both(self.unknown, others.unknown))


def learn_relevance(
    model: Pool,
    signals: Sequence[FloatArray],
    rows: NDArray[np.integer],
    relevant: NDArray[np.bool_],
    *,
    unknown: FloatArray | None = None,
) -> FloatArray:
    """P(the photo belongs): float32 [n] in [0, 1], 1 = relevant.

    The signals, evened out over the graph and standardised, give log odds to start from, moved so that the mean
    photo belongs with 95 %. A logistic regression on
    them and on the graph space takes in the annotations; the start holds as a few weighted pseudo-annotations.
    Annotated photos were asked about because they probably belong, so that too few of them don't: those weigh more,
    until their share is what the start expects of the pool (weighting for a sample chosen by its outcome, [42]).

    Args:
        model: the pool.
        signals: float32 [n] each, in [0, 1], 1 = relevant: mass below the roots of relevance, 1 - prior of
            `Not relevant`. Only their order and spread count, not their level.
        rows: int [m], annotated rows.
        relevant: bool [m], whether the annotator gave a label that is not `Not relevant`.
        unknown: float32 [n], a further feature of the regression: strangers may be more or less like ImageNet than what
            belongs, so that only answers can tell what it means.
    """
    evidence = np.zeros(model.n, dtype=np.float64)
    for signal in signals:
        evidence += _standardised(model.smooth(signal))
    if len(signals) > 1:
        evidence = evidence / np.sqrt(len(signals))
    start = _shifted(PRIOR_SLOPE * evidence, 1.0 - IRRELEVANT_SHARE) if signals else np.ones(model.n)
    rows = np.asarray(rows).astype(np.intp)
    if rows.size == 0 or (not signals and relevant.all()):
        return start.astype(np.float32)
    from sklearn.linear_model import LogisticRegression  # loads for seconds: only where it is used

    columns = [model.space, (PRIOR_SLOPE * evidence[:, None]).astype(np.float32)]
    if unknown is not None:
        columns.append((PRIOR_SLOPE * _standardised(model.smooth(unknown))[:, None]).astype(np.float32))
    features = np.hstack(columns)
    sample = np.unique(np.linspace(0, model.n - 1, PRIOR_SAMPLE).astype(np.intp))
    weight = PRIOR_WEIGHT / sample.size
    irrelevant_share = float(1.0 - expit(EXPECTED_LOGIT + PRIOR_SLOPE * evidence).mean())
    answers = answer_weights(np.asarray(relevant, dtype=bool), irrelevant_share=irrelevant_share)
    fitted = LogisticRegression(C=INVERSE_PENALTY, max_iter=300).fit(
        np.vstack([features[rows], features[sample], features[sample]]),
        np.concatenate([relevant, np.ones(sample.size, bool), np.zeros(sample.size, bool)]),
        sample_weight=np.concatenate([answers, weight * start[sample], weight * (1.0 - start[sample])]),
    )
    known: FloatArray = fitted.predict_proba(features)[:, 1].astype(np.float32)
    known[rows] = relevant
    return known


def with_relevance(beliefs: FloatArray, relevance: FloatArray, irrelevant: NDArray[np.bool_]) -> FloatArray:
    """Beliefs float32 [n, L] in which the labels marked `irrelevant` [L] share 1 - relevance [n], the others the rest.

    Among the labels of either kind the proportions of `beliefs` stay; rows sum to 1. It is written into `beliefs`. Where
    all labels are of one kind, they stay as they are.
    """
    if irrelevant.all() or not irrelevant.any():
        return beliefs
    for group, total in ((irrelevant, 1.0 - relevance), (~irrelevant, relevance)):
        part = beliefs[:, group]
        mass = part.sum(axis=1)
        empty = mass <= 1e-12
        part[empty] = 1.0
        beliefs[:, group] = part * (total / np.where(empty, group.sum(), mass))[:, None].astype(np.float32)
    return beliefs


def agreed_relevance(beliefs: FloatArray, relevance: FloatArray, irrelevant: NDArray[np.bool_]) -> FloatArray:
    """P(the photo belongs), float32 [n] in [0, 1]: the geometric mean of the odds by beliefs [n, L] and by relevance [n].

    The regression behind `relevance` finds strangers that have no neighbours; what annotations spread knows better
    than it where a crowd ends.
    """
    said = np.clip(beliefs[:, irrelevant].sum(axis=1) / np.maximum(beliefs.sum(axis=1), 1e-12), _LEAST, 1.0 - _LEAST)
    odds = logit(1.0 - said) + logit(np.clip(relevance, _LEAST, 1.0 - _LEAST))
    agreed: FloatArray = expit(0.5 * odds).astype(np.float32)
    return agreed


def answer_weights(relevant: NDArray[np.bool_], *, irrelevant_share: float) -> NDArray[np.float64]:
    """Weight of each answer, float64 [m]: 1 for relevant photos, at least 1 for the others.

    Formula: the others weigh max(1, r / i · s / (1 - s)), r relevant and i irrelevant answers, s `irrelevant_share`
        of the pool, [0, 1): together they then have the share s of all weight, if they had less.
    """
    weights = np.ones(relevant.size)
    irrelevant = int((~relevant).sum())
    if irrelevant:
        expected = int(relevant.sum()) * irrelevant_share / max(1.0 - irrelevant_share, 1e-6)
        weights[~relevant] = max(1.0, expected / irrelevant)
    return weights


def _standardised(signal: FloatArray) -> NDArray[np.float64]:
    """Log odds with median 0 and standard deviation 1; zeros where all are equal."""
    bounded = np.clip(np.nan_to_num(np.asarray(signal, dtype=np.float64), nan=0.5), 0.01, 0.99)
    odds = np.log(bounded / (1.0 - bounded))
    spread = odds.std() if odds.size else 0.0
    if spread < 1e-6:
        return np.zeros_like(odds)
    standardised: NDArray[np.float64] = (odds - np.median(odds)) / spread
    return standardised


def _shifted(odds: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Probabilities [n] of log odds [n] that all are moved alike, so that their mean is `share`."""
    if not odds.size:
        return odds
    # One more than needed: where all are equal, rounding would put the end on the wrong side.
    reach = float(np.abs(odds).max()) + abs(float(logit(share))) + 1.0
    move = brentq(lambda by: float(expit(odds + by).mean()) - share, -reach, reach, xtol=1e-6)
    moved: NDArray[np.float64] = expit(odds + move)
    return moved
