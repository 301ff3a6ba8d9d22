"""How sure a suggestion is shown to be while annotations are few: the photo's own prior has a say in it.

A crowd of photos lends its label to each of them, and is as sure of the wrong one as of the right one. What tells the
two apart is whether ImageNet sees the label in this very photo. That changes how likely the named label is said to be,
never which one is named.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

PRIOR_SAY = 0.8
"""Share of the prior in the log odds of the named label before any annotation, [0, 1]."""

PRIOR_ODDS = 5.0
"""Times by which the prior's odds are too small: it spreads over all labels what ImageNet leaves unexplained."""

FADING = 4.0
"""How fast the prior loses its say: half of it is left after one annotation for every four labels."""

_MOST = np.float32(0.997)  # no opinion is surer than that, or less sure than its opposite: odds stay finite
_CRUMB = np.float32(1e-6)  # what a label without any belief gets of the rest, so that there is something to scale


def as_sure_as_the_photo(beliefs: FloatArray, prior: FloatArray, per_label: float) -> FloatArray:
    """Beliefs float32 [n, L] of L > 1 labels with the largest of each row made as sure as photo and crowd together say.

    Formula: odds = o^(1 - s) (5 q)^s, o the odds of the named label by the beliefs, q those by its prior, s = 0.8 /
        (1 + 4 r) after r annotations for each label. The other labels share the rest as before. Chosen on the even
        half of sports50 (docs/measurements.md). No ranking of labels within a photo changes.

    Args:
        beliefs: float32 [n, L], rows sum to 1; overwritten.
        prior: float32 [n, L], what was believed of each photo before any annotation and without its neighbours.
        per_label: r, annotations for each label that the pool seems to show (`label_shares`).
    """
    every = np.arange(len(beliefs))
    named = beliefs.argmax(axis=1)
    before = beliefs[every, named]
    say = np.float32(PRIOR_SAY / (1.0 + FADING * per_label))
    log_odds = (1 - say) * _log_odds(before) + say * (_log_odds(prior[every, named]) + np.float32(np.log(PRIOR_ODDS)))
    beliefs[every, named] = 0.0
    beliefs += _CRUMB
    beliefs[every, named] = 0.0
    rest = beliefs.sum(axis=1)
    # At this level the named label and the second would be level: it stays above.
    level = beliefs.max(axis=1) / (rest + beliefs.max(axis=1))
    sure = np.maximum(1.0 / (1.0 + np.exp(-log_odds)), np.minimum(level * np.float32(1.001), 1.0))
    beliefs *= ((1.0 - sure) / rest)[:, None]
    beliefs[every, named] = sure
    return beliefs


def _log_odds(probabilities: FloatArray) -> FloatArray:
    bounded = np.clip(probabilities, 1 - _MOST, _MOST)
    odds: FloatArray = np.log(bounded / (1 - bounded))
    return odds
