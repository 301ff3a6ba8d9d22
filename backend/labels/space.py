"""What the labels of a control mean: their synsets, their hierarchy, and what ImageNet says of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from backend.labels import imagenet
from backend.labels.controls import Control
from backend.labels.senses import label_synsets
from backend.labels.tree import LabelTree, build_tree
from backend.labels.wordnet import WordNet


class LabelSpace:
    """The label space of one control.

    Attributes:
        control: whose labels these are; L of them.
        synsets: for each label the noun synsets that it stands for, () where WordNet has none.
    """

    def __init__(self, control: Control, wordnet: WordNet) -> None:
        self.control = control
        self.wordnet = wordnet
        self.synsets = tuple(label_synsets(label, wordnet) for label in control.labels)

    @property
    def n_labels(self) -> int:
        """Number of labels L."""
        return len(self.control.labels)

    @cached_property
    def irrelevant(self) -> np.ndarray:
        """bool [L]: labels for photos that do not belong, such as "Not relevant"."""
        return np.array([not label.relevant for label in self.control.labels], dtype=bool)

    @cached_property
    def association(self) -> np.ndarray:
        """float32 [L, 1000]: how strongly each ImageNet class speaks for each label."""
        matrix = np.zeros((self.n_labels, imagenet.N_CLASSES), dtype=np.float32)
        for row, synsets in enumerate(self.synsets):
            for synset in synsets:
                below = self.wordnet.descendants(synset)
                matrix[row, [index for index, wnid in enumerate(imagenet.wnids()) if wnid in below]] = 1.0
        return matrix

    @cached_property
    def supported(self) -> np.ndarray:
        """bool [L]: at least one ImageNet class speaks for the label."""
        return np.asarray(self.association.any(axis=1))

    @cached_property
    def tree(self) -> LabelTree:
        """The hierarchy above the labels."""
        return build_tree(self.control.labels, self.synsets, self.wordnet)

    def prior(self, imagenet_probabilities: np.ndarray) -> np.ndarray:
        """Label probabilities before any annotation.

        Args:
            imagenet_probabilities: [n, 1000], rows sum to 1.

        Returns:
            float32 [n, L]. Single: rows sum to 1. Multiple: each label's own probability in [0, 1].
        """
        mass = np.asarray(imagenet_probabilities, dtype=np.float32) @ self.association.T
        if self.control.multiple:
            return np.clip(mass, 0.0, 1.0)
        unsupported = ~self.supported
        rest = np.clip(1.0 - mass.sum(axis=1, keepdims=True), 0.0, None) + 1e-6
        mass[:, unsupported if unsupported.any() else slice(None)] += rest / max(int(unsupported.sum()), 1)
        return np.asarray(mass / mass.sum(axis=1, keepdims=True), dtype=np.float32)
