"""Relevance: whether a photo belongs to the project, from what ImageNet says of it and from what annotators said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.learning.pool_model import PoolModel

FloatArray = NDArray[np.float32]

PRIOR_LOGIT = 1.5
"""Log odds of an average photo of the pool before anyone said anything: about four in five belong."""

PRIOR_SLOPE = 2.0
"""Change of the log odds for each standard deviation of the signals."""

PRIOR_SAMPLE = 200
PRIOR_WEIGHT = 10.0
"""The prior counts as much as this many annotations, spread over a sample of the pool."""

INVERSE_PENALTY = 10.0


def learn_relevance(
    model: PoolModel,
    signals: Sequence[FloatArray],
    rows: NDArray[np.integer],
    relevant: NDArray[np.bool_],
) -> FloatArray:
    """P(the photo belongs): float32 [n] in [0, 1], 1 = relevant.

    The signals, evened out over the graph and standardised, give log odds to start from. A logistic regression on
    them and on the graph space takes in the annotations; the start holds as a few weighted pseudo-annotations.
    Annotated photos were asked about because they probably belong, so that too few of them don't: those weigh more,
    until their share is what the start expects of the pool (weighting for a sample chosen by its outcome, [42]).

    Args:
        model: the pool.
        signals: float32 [n] each, in [0, 1], 1 = relevant: mass below the roots of relevance, 1 - prior of
            `Not relevant`. Only their order and spread count, not their level.
        rows: int [m], annotated rows.
        relevant: bool [m], whether the annotator gave a label that is not `Not relevant`.
    """
    evidence = np.zeros(model.n, dtype=np.float64)
    for signal in signals:
        evidence += _standardised(model.smooth(signal))
    if len(signals) > 1:
        evidence = evidence / np.sqrt(len(signals))
    start = _logistic(PRIOR_LOGIT + PRIOR_SLOPE * evidence) if signals else np.ones(model.n)
    rows = np.asarray(rows).astype(np.intp)
    if rows.size == 0 or (not signals and relevant.all()):
        return start.astype(np.float32)
    from sklearn.linear_model import LogisticRegression  # loads for seconds: only where it is used

    features = np.hstack([model.space, (PRIOR_SLOPE * evidence[:, None]).astype(np.float32)])
    sample = np.unique(np.linspace(0, model.n - 1, PRIOR_SAMPLE).astype(np.intp))
    weight = PRIOR_WEIGHT / sample.size
    answers = answer_weights(np.asarray(relevant, dtype=bool), irrelevant_share=float(1.0 - start.mean()))
    fitted = LogisticRegression(C=INVERSE_PENALTY, max_iter=300).fit(
        np.vstack([features[rows], features[sample], features[sample]]),
        np.concatenate([relevant, np.ones(sample.size, bool), np.zeros(sample.size, bool)]),
        sample_weight=np.concatenate([answers, weight * start[sample], weight * (1.0 - start[sample])]),
    )
    known: FloatArray = fitted.predict_proba(features)[:, 1].astype(np.float32)
    known[rows] = relevant
    return known


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


def _logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    probabilities: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-values))
    return probabilities
