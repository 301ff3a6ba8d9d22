"""How sure a suggestion is shown to be while annotations are few: the photo's own prior has a say in it.

A crowd of photos lends its label to each of them, and is as sure of the wrong one as of the right one. What tells the
two apart is whether ImageNet sees the label in this very photo. That changes how likely the named label is said to be,
never which one is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class PriorSay:
    """How far the photo's own prior says how likely a label is.

    Attributes:
        share: of the prior in the log odds before any annotation, [0, 1].
        times: by which the prior's odds are too small: it spreads over all labels what ImageNet leaves unexplained.
        power: of these odds.
        fading: how fast the prior loses its share: half of it is left after 1 / `fading` annotations for each label.
    """

    share: float
    times: float
    power: float
    fading: float

    def of(self, per_label: float) -> float:
        """Its share after so many annotations for each label."""
        return self.share / (1.0 + self.fading * per_label)


LINKED = PriorSay(share=0.8, times=4.0, power=1.0, fading=3.0)
"""Of a label that ImageNet knows by what is used with it or stands around it, or not at all: a crowd may know better."""

DEPICTED = PriorSay(share=1.0, times=2.0, power=1.3, fading=0.3)
"""Of a label that ImageNet has classes of: where a photo shows it, ImageNet sees it, so that to see a fifth of it speaks
against it, and no crowd knows better."""

IRRELEVANT_TIMES = 3.0
"""Times by which the odds that a photo of the pool does not belong are too small: graph, regression and mixture all have to
say it. Those of a new photo, which only its neighbours say, are right."""

_MOST = np.float32(0.997)  # no opinion is surer than that, or less sure than its opposite: odds stay finite
_AHEAD = np.float32(1.01)  # times the second label's probability: also as the float16 of a snapshot the named one leads
_CRUMB = np.float32(1e-6)  # what a label without any belief gets of the rest, so that there is something to scale


def as_sure_as_the_photo(
    beliefs: FloatArray,
    prior: FloatArray,
    per_label: float,
    *,
    depicted: NDArray[np.bool_] | None = None,
    irrelevant: NDArray[np.bool_] | None = None,
    new: bool = False,
) -> FloatArray:
    """Beliefs float32 [n, L] of L > 1 labels with the largest of each row made as sure as photo and crowd together say.

    Formula: odds = o^(1 - s) (f q)^(d s), o the odds of the named label by the beliefs, q those by its prior; after r
        annotations for each label s = 0.8 / (1 + 3 r), f = 4, d = 1, or s = 1 / (1 + 0.3 r), f = 2, d = 1.3 where
        ImageNet has classes of the label. What does not belong has the prior that the other labels leave, which says
        nothing of its own: odds = 3 o^(1 - s) in the pool, o^(1 - s) of new photos. The other labels share the rest as
        before; what a crowd claimed too much for a label that ImageNet has classes of is doubt, spread over all of them
        evenly. Chosen on the even half (docs/measurements.md). No ranking of labels within a photo changes.

    Args:
        beliefs: float32 [n, L], rows sum to 1; overwritten.
        prior: float32 [n, L], what was believed of each photo before any annotation and without its neighbours.
        per_label: r, annotations for each label that the pool seems to show (`label_shares`).
        depicted: bool [L], labels that ImageNet has classes of (`LabelSpace.depicted`); None: as if none were.
        irrelevant: bool [L], labels for what does not belong; None: there are none.
        new: whether the photos are outside of the pool.
    """
    every = np.arange(len(beliefs))
    named = beliefs.argmax(axis=1)
    before = beliefs[every, named]
    own, by_prior = _log_odds(before), _log_odds(prior[every, named])
    log_odds = _agreed(own, by_prior, LINKED, per_label)
    if depicted is not None:
        log_odds = np.where(depicted[named], _agreed(own, by_prior, DEPICTED, per_label), log_odds)
    if irrelevant is not None:
        times = 1.0 if new else IRRELEVANT_TIMES
        alone = np.float32(1.0 - LINKED.of(per_label)) * own + np.float32(np.log(times))
        log_odds = np.where(irrelevant[named], alone, log_odds)
    meant = 1.0 / (1.0 + np.exp(-log_odds))
    beliefs[every, named] = 0.0
    beliefs += _CRUMB
    if depicted is not None:
        doubt = np.where(depicted[named], np.maximum(before - meant, 0.0), np.float32(0.0))
        beliefs += (doubt / (beliefs.shape[1] - 1))[:, None]
    beliefs[every, named] = 0.0
    rest = beliefs.sum(axis=1)
    # At this level the named label and the second would be level: it stays above.
    level = beliefs.max(axis=1) / (rest + beliefs.max(axis=1))
    sure = np.maximum(meant, np.minimum(level * _AHEAD, 1.0))
    beliefs *= ((1.0 - sure) / rest)[:, None]
    beliefs[every, named] = sure
    return beliefs


def still_depicted(depicted: NDArray[np.bool_], prior: FloatArray, targets: FloatArray) -> NDArray[np.bool_]:
    """Labels that ImageNet has classes of, bool [L], but for those that it does not see where people do.

    A label may mean something else than WordNet does ("china", the country), or look another way in this project. What
    ImageNet sees of a label in its annotated photos, and all of it in one imaginary photo, has to be half of it or more.

    Args:
        depicted: bool [L], as of the label config.
        prior: float32 [m, L], of the annotated photos, before any annotation.
        targets: float32 [m, L], their annotations.
    """
    seen, given = (prior * targets).sum(axis=0), targets.sum(axis=0)
    found: NDArray[np.bool_] = depicted & ((1.0 + seen) / (1.0 + given) >= 0.5)
    return found


def _agreed(own: FloatArray, by_prior: FloatArray, say: PriorSay, per_label: float) -> FloatArray:
    """Log odds [n] of what beliefs and prior say together, given those of each."""
    share = np.float32(say.of(per_label))
    agreed: FloatArray = (1 - share) * own + share * np.float32(say.power) * (by_prior + np.float32(np.log(say.times)))
    return agreed


def _log_odds(probabilities: FloatArray) -> FloatArray:
    bounded = np.clip(probabilities, 1 - _MOST, _MOST)
    odds: FloatArray = np.log(bounded / (1 - bounded))
    return odds
