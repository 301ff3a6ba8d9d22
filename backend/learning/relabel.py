"""Relabel or new: which photo another answer helps most, one that people disagree on, or one that nobody answered.

ActiveLab (Goh & Mueller, 2023): the trust in a photo's consensus is a weighted mean of what the model believes of it
and of what each of its annotators says, who is taken to be right as often as they agree with the others; one more,
undecided voice of mean weight keeps a photo with few answers from being trusted much. The lowest is asked next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MIN_WEIGHT = 0.05
"""Weight of a voice that is no better than the commonest label."""


def trust_in_consensus(
    beliefs: Floats, answers: Sequence[Mapping[int, int]], agrees: Mapping[int, float], model_right: float
) -> Floats:
    """How sure the label of each photo is, float32 [n] in [0, 1]; the lowest is worth an answer most.

    Args:
        beliefs: float32 [n, L], what the model says, without the photo's own answers; rows sum to 1.
        answers: annotator -> label of each photo; empty: nobody answered.
        agrees: of each annotator the share in [0, 1] of answers that others gave too.
        model_right: share in [0, 1] of answered photos that the model names as people did, without their answers.
    """
    n, labels = beliefs.shape
    said = [label for given in answers for label in given.values()]
    common = max(np.bincount(said, minlength=labels)) / len(said) if said else 1.0 / labels
    right = float(np.clip(np.mean(list(agrees.values())) if agrees else 1.0, 1.0 / labels, 0.99))
    # The model counts as much as the mean number of people behind an answered photo, where it is as good as they.
    people = len(said) / max(sum(bool(given) for given in answers), 1)
    model = _weight(model_right, common) * float(np.sqrt(max(people, 1.0)))
    weights = {person: _weight(share, common) for person, share in agrees.items()}
    mean = float(np.mean(list(weights.values()))) if weights else model
    trust = np.zeros(n, dtype=np.float32)
    for row, given in enumerate(answers):
        votes = model * beliefs[row].astype(np.float64) + mean / labels
        total = model + mean
        for person, label in given.items():
            weight = weights.get(person, mean)
            voice = np.full(labels, (1.0 - right) / max(labels - 1, 1))
            voice[label] = right
            votes += weight * voice
            total += weight
        trust[row] = votes.max() / total
    return trust


def _weight(share: float, common: float) -> float:
    """How much better than always saying the commonest label, in [MIN_WEIGHT, 1]."""
    return float(np.clip(1.0 - (1.0 - share) / max(1.0 - common, 1e-6), MIN_WEIGHT, 1.0))
