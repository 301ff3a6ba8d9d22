"""What the labels of a control mean: their synsets, their hierarchy, and what ImageNet says of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from backend.labels.association import Associations, Evidence
from backend.labels.controls import Control
from backend.labels.prior import as_much_as, blend_unexplained, class_posterior
from backend.labels.senses import Meaning, label_meanings
from backend.labels.tree import LabelTree, build_tree
from backend.labels.wordnet import WordNet

DEPICTED_FROM = 0.9
"""Claim of an ImageNet class from which it shows the label itself: a kind of it, not what is used with it or around it."""


class LabelSpace:
    """The label space of one control; L labels.

    Attributes:
        control: whose labels these are.
        meanings: what each label stands for.
    """

    def __init__(self, control: Control, wordnet: WordNet) -> None:
        """Raises WordNetError for a `synset` attribute that WordNet 3.0 does not have."""
        self.control = control
        self.wordnet = wordnet
        self.meanings: tuple[Meaning, ...] = label_meanings(control.labels, wordnet)

    @property
    def n_labels(self) -> int:
        """Number of labels L."""
        return len(self.control.labels)

    @property
    def synsets(self) -> tuple[tuple[str, ...], ...]:
        """For each label the noun synsets that it stands for, () where WordNet has none."""
        return tuple(meaning.synsets for meaning in self.meanings)

    @cached_property
    def irrelevant(self) -> npt.NDArray[np.bool_]:
        """bool [L]: labels for photos that do not belong, such as "Not relevant"."""
        return np.array([not label.relevant for label in self.control.labels], dtype=bool)

    @cached_property
    def evidence(self) -> Evidence:
        """What each ImageNet class says of each label."""
        return Associations(self.wordnet).evidence(self.meanings, exclusive=not self.control.multiple)

    @cached_property
    def supported(self) -> npt.NDArray[np.bool_]:
        """bool [L]: some ImageNet class speaks for the label; the others cannot be told before annotations exist."""
        return np.asarray((self.evidence.claim > 0.0).any(axis=1), dtype=bool)

    @cached_property
    def depicted(self) -> npt.NDArray[np.bool_]:
        """bool [L]: ImageNet has classes of the label itself, so that it sees the label where a photo shows it."""
        return np.asarray((self.evidence.claim >= DEPICTED_FROM).any(axis=1), dtype=bool)

    @cached_property
    def tree(self) -> LabelTree:
        """The hierarchy above the labels: the control's own branches where it has any, else WordNet's."""
        return build_tree(self.control.labels, self.synsets, self.wordnet)

    @cached_property
    def node_titles(self) -> tuple[str, ...]:
        """The names of the tree's nodes as people know them; empty for WordNet's inner ones, such as "act"."""
        nodes = self.tree.nodes
        if any(label.branch for label in self.control.labels):
            return nodes
        inner = self.tree.n_inner
        return ("",) * inner + nodes[inner:]

    @cached_property
    def _posterior(self) -> npt.NDArray[np.float32]:
        return self.evidence.claim if self.control.multiple else class_posterior(self.evidence)

    @cached_property
    def _told_apart(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """The rows of the posterior that differ, float32 [U, 1000], and which of them each label has, int [L].

        Labels of the same synsets then get the same numbers to the last bit, whatever else is multiplied with them:
        rounding is not to choose between them.
        """
        rows, place = np.unique(self._posterior, axis=0, return_inverse=True)
        return rows, place.reshape(-1)

    def prepare(self) -> None:
        """Work out now what would be at the first question: with thousands of labels that takes seconds."""
        _ = self.supported, self._told_apart

    def flat_prior(self, n: int) -> npt.NDArray[np.float32]:
        """The prior of n photos of which nothing is known: float32 [n, L], 1 / L everywhere."""
        return np.full((n, self.n_labels), 1.0 / max(self.n_labels, 1), dtype=np.float32)

    def prior(
        self, imagenet_probabilities: npt.NDArray[np.floating], weights: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Label probabilities before any annotation, by ImageNet mass below the labels' synsets and links.

        P(l | photo) = sum over classes c of P(c | photo) P(l | c); what no label explains is spread over the labels
        that ImageNet does not support, those for irrelevant photos and, thinly, all others.

        Args:
            imagenet_probabilities: [n, 1000], rows sum to 1.
            weights: float32 [1000] of `class_weights`, how much each class has to say about which label it is. What the
                labels explain of a photo together is left as it is. None: each has all of its say.

        Returns:
            float32 [n, L]. Single: rows sum to 1. Multiple: each label's own probability in [0, 1], independent of
            the others.
        """
        probabilities = np.asarray(imagenet_probabilities, dtype=np.float32)
        posterior, place = self._told_apart
        mass = (probabilities @ posterior.T)[:, place]
        if weights is not None:
            mass = as_much_as(mass, (probabilities @ (posterior * weights).T)[:, place])
        if self.control.multiple:
            return np.clip(mass, 0.0, 1.0)
        return blend_unexplained(mass, self.supported, self.irrelevant)
