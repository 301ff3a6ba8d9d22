"""Sets of labels: where several labels may hold for a photo, each set that people gave is a class of its own.

"Label powerset" ([48] of docs/bibliography.md): what is right for photos of one label each, crowds and densities, is then right
for several. Where labels are combined freely most sets come once, and labels have to be looked at one by one; how often
a set comes again says which of the two it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

FloatArray = NDArray[np.float32]

MAX_SETS = 256
"""Most sets that are classes of their own, the commonest; what else was given is learned label by label."""

MAX_BELIEFS = 1e8
"""Most beliefs (photos x sets): in very large pools fewer sets are classes of their own."""

_LEAST = 0.01  # of a probability: neither look at a photo can veto the other


@dataclass(frozen=True)
class LabelSets:
    """C sets of L labels, and which of them m annotations gave.

    Attributes:
        members: float32 [C, L], how far a label is in a set: 1 = it is; a part of 1 where an annotator chose a branch.
        given: float32 [m, C], 1 = the annotation is this set; a row of zeros where it is none of them.
        weight: in [0, 1], how far photos go by whole sets: 1 = sets come again, 0 = labels are combined freely.
    """

    members: FloatArray
    given: FloatArray
    weight: float

    @property
    def sizes(self) -> FloatArray:
        """Labels in each set: float32 [C]."""
        sizes: FloatArray = self.members.sum(axis=1)
        return sizes

    def prior(self, prior: FloatArray) -> FloatArray:
        """What is known of each set before any annotation, from that of labels float32 [n, L]: the mean of its labels."""
        mean: FloatArray = prior @ self.members.T / np.maximum(self.sizes, 1.0)
        return mean + np.float32(1e-4)

    def only(self, labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """bool [C]: sets of nothing but these labels, bool [L]."""
        said = self.members > 0
        return np.asarray(said.any(axis=1) & ~(said & ~labels).any(axis=1))

    def marginals(self, by_set: FloatArray, by_label: FloatArray) -> FloatArray:
        """Probability of each label: float32 [n, L] in [0.01, 0.99], each for itself.

        The odds by whole sets and by single labels are averaged geometrically, by `weight`.

        Args:
            by_set: float32 [n, C], beliefs in the sets, rows sum to 1.
            by_label: float32 [n, L], rows sum to 1: the labels of a photo share it, so that each has 1 / k of it where
                there are k. Times the labels that the photo is expected to have, these are probabilities.
        """
        whole = np.clip(by_set @ self.members, _LEAST, 1.0 - _LEAST)
        expected = (by_set @ self.sizes)[:, None]
        single = np.clip(by_label * expected, _LEAST, 1.0 - _LEAST)
        odds = self.weight * logit(whole) + (1.0 - self.weight) * logit(single)
        together: FloatArray = expit(odds).astype(np.float32)
        return together


def label_sets(targets: FloatArray, most: int = MAX_SETS) -> LabelSets:
    """The sets in annotations float32 [m, L], the commonest `most` of them, and each label alone that nobody gave yet."""
    sets, place, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    kept = np.sort(np.lexsort((np.arange(len(sets)), -counts))[:most])
    unseen = np.flatnonzero(targets.sum(axis=0) <= 0.0)
    alone = np.zeros((unseen.size, targets.shape[1]), dtype=np.float32)
    alone[np.arange(unseen.size), unseen] = 1.0
    column = np.full(len(sets), -1)
    column[kept] = np.arange(kept.size)
    given = np.zeros((len(targets), kept.size + unseen.size), dtype=np.float32)
    known = np.flatnonzero(column[place] >= 0)
    given[known, column[place[known]]] = 1.0
    return LabelSets(np.concatenate([sets[kept], alone]).astype(np.float32), given, _come_again(targets, counts[place]))


def has_several(targets: FloatArray) -> bool:
    """Whether some annotation of [m, L] gives more than one label, or none: a chosen branch counts as one."""
    return bool((np.abs(targets.sum(axis=1) - 1.0) > 1e-3).any())


def _come_again(targets: FloatArray, repeats: NDArray[np.intp]) -> float:
    """How often a set of two or more labels was given twice, where each of its labels was, [0, 1]; 1 where none could.

    One imaginary set more came again. A new label makes a new set, which says nothing of how labels are combined.

    Args:
        targets: float32 [m, L].
        repeats: int [m], how many annotations are the same set.
    """
    said = targets > 0
    each = said.sum(axis=0)
    could = (targets.sum(axis=1) >= 2.0 - 1e-3) & ~(said & (each < 2)).any(axis=1)
    return float(((could & (repeats >= 2)).sum() + 1.0) / (could.sum() + 1.0))
