"""Gaussian mixture over the pool: what the crowds of photos say of few annotations and a vague prior.

One Gaussian of equal spread for each label, the graph as a Laplacian term, what is known of each photo as a prior:
after Zanella et al., "Boosting vision-language models with transduction" (TransCLIP, NeurIPS 2024). A label that the
prior sees in the right crowd now and then gets the whole crowd, and two labels that share a crowd are told apart. What
does not belong has no crowd: it is a background, equally likely everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.linear import softmax_in_place
from backend.learning.probabilities import tells_photos_apart

FloatArray = NDArray[np.float32]

LIKELIHOOD = 0.1
"""Power of the Gaussian likelihood: its axes are not independent, so that all of them together claim too much."""

BOLDER = (3.0, 2.0, 1.4, 1.0)
"""Times that power in each round in which means and beliefs follow from each other: the means of a vague prior lie close
together, and hardly tell any place from another until crowds have drawn them apart."""

ANNOTATION_TRUST = 2.0
"""Weight of an annotated photo in the mean of its label."""

FEW = 10.0
"""Annotations for each label, on average, from which the mixture has nothing to add."""

MAX_PRODUCTS = 3e9
"""Photos x labels x axes beyond which it is left out: a round would take more than about a second."""

BACKGROUND_LEVEL = 0.75
"""Share of the photos whose best label is less likely, by its Gaussian, than a label without a crowd of its own: what does
not belong may lie anywhere, and most of it where no label has its crowd."""

TILT = 1e-3
"""Length of the random vector that each mean is moved by. Labels that the prior knows alike, as a sport of men and one of
women, would have the very same Gaussian, and rounding would choose between them, photo by photo; so they share their
crowds out, the same photos to the same label in any order of the photos."""

_FLOOR = np.float32(1e-2)  # of what is known: no label is ruled out


@dataclass(frozen=True)
class Mixture:
    """The likelihoods of the labels at any place of the graph space, as logarithms: `space @ weights + bias`.

    Attributes:
        weights: float32 [k, L].
        bias: float32 [L].
        background: bool [L], labels for what does not belong, such as `Not relevant`. They have no Gaussian: what does
            not belong lies in no crowd of its own, but in those of others. Equally likely everywhere, by their bias,
            and neighbours do not pass them on.
    """

    weights: FloatArray
    bias: FloatArray
    background: NDArray[np.bool_]

    def beliefs(self, space: FloatArray, known: FloatArray, around: FloatArray) -> FloatArray:
        """Probabilities float32 [m, L] of photos, rows sum to 1.

        Args:
            space: float32 [m, k], unit rows.
            known: float32 [m, L], what is believed without the mixture.
            around: float32 [m, L], the neighbours' beliefs, summed by their cosines; overwritten.
        """
        return self._beliefs(self.likelihoods(space), np.log(known + _FLOOR), around)

    def likelihoods(self, space: FloatArray) -> FloatArray:
        """Logarithms float32 [m, L] at places [m, k], up to a summand for each photo."""
        scores: FloatArray = space @ self.weights
        scores += self.bias
        return scores

    def _beliefs(self, likelihoods: FloatArray, logarithms: FloatArray, around: FloatArray) -> FloatArray:
        around[:, self.background] = 0.0
        likelihoods += logarithms
        likelihoods += around
        return softmax_in_place(likelihoods)

    def with_level(self, space: FloatArray, logarithms: FloatArray, around: FloatArray) -> tuple[Mixture, FloatArray]:
        """The mixture with the background's level set by the pool, and its `beliefs`, by `logarithms` of what is known."""
        likelihoods, mixture = self.likelihoods(space), self
        if self.background.any() and not self.background.all():
            best = likelihoods[:, ~self.background].max(axis=1)
            level = np.float32(np.quantile(best, BACKGROUND_LEVEL))
            likelihoods[:, self.background] = level
            mixture = Mixture(
                np.where(self.background, np.float32(0.0), self.weights),
                np.where(self.background, level, self.bias),
                self.background,
            )
        return mixture, mixture._beliefs(likelihoods, logarithms, around)


def mixture_weight(prior: FloatArray, per_label: float) -> FloatArray:
    """Weight of the mixture against what is believed without it: float32 [n, 1] in [0, 1], less as annotations come.

    Formula: 1 / (1 + r) after r annotations for each label (`label_shares` says how many labels there seem to be),
        times min(1, 2 (1 - p)), p the largest probability in the prior float32 [n, L] of the photo: where ImageNet
        knows the label well, a crowd of other ones has no say.
    """
    vague: FloatArray = np.minimum(2.0 * (1.0 - prior.max(axis=1, keepdims=True)), 1.0).astype(np.float32)
    return vague * np.float32(1.0 / (1.0 + per_label))


def is_affordable(beliefs: int, axes: int) -> bool:
    """Whether a mixture of so many beliefs (photos x labels) takes no more than a moment (`MAX_PRODUCTS`)."""
    return float(beliefs) * axes <= MAX_PRODUCTS


def is_worthwhile(prior: FloatArray, axes: int, per_label: float) -> bool:
    """Whether a mixture is to be fitted: the prior float32 [n, L] knows something, annotations for each label are few.

    Nor is it where it would take more than a moment (`is_affordable`).
    """
    n, labels = prior.shape
    if n == 0 or labels < 2 or per_label > FEW or not is_affordable(prior.size, axes):
        return False
    return tells_photos_apart(prior)


def fit_mixture(
    space: FloatArray,
    links: sparse.csr_matrix,
    known: FloatArray,
    rows: NDArray[np.integer],
    background: NDArray[np.bool_] | None = None,
) -> tuple[Mixture, FloatArray]:
    """The mixture and its beliefs float32 [n, L], rows sum to 1; those of annotated `rows` stay what is known.

    Args:
        space: float32 [n, k], unit rows.
        links: csr float32 [n, n], symmetric cosines on the graph's edges.
        known: float32 [n, L], what is believed so far, the annotations included; rows sum to 1.
        rows: int [m], annotated photos.
        background: bool [L], labels for what does not belong; None: there are none.
    """
    if background is None:
        background = np.zeros(known.shape[1], dtype=bool)
    own = known[rows]
    logarithms = np.log(known + _FLOOR)
    beliefs = known
    trust: FloatArray = np.ones((known.shape[0], 1), dtype=np.float32)
    trust[rows] = ANNOTATION_TRUST
    shape = known.shape[1], space.shape[1]
    tilt = np.random.default_rng(0).normal(scale=TILT / np.sqrt(max(shape[1], 1)), size=shape).astype(np.float32)
    for bolder in BOLDER:
        around: FloatArray = np.asarray(links @ beliefs, dtype=np.float32)
        found = _means(space, beliefs * trust, background, power=LIKELIHOOD * bolder, tilt=tilt)
        mixture, beliefs = found.with_level(space, logarithms, around)
        beliefs[rows] = own
    return mixture, beliefs


def _means(
    space: FloatArray,
    weighted: FloatArray,
    background: NDArray[np.bool_],
    *,
    power: float = LIKELIHOOD,
    tilt: FloatArray | float = 0.0,
) -> Mixture:
    """The Gaussians by the weights [n, L] of the photos in each; their spread is the same in all directions.

    Args:
        power: of the likelihood.
        tilt: float32 [L, k], what is added to the means.
    """
    mass = weighted.sum(axis=0) + np.float32(1e-3)
    means: FloatArray = (weighted.T @ space) / mass[:, None] + np.float32(tilt)
    lengths = (means * means).sum(axis=1)
    # Rows have length 1, so that what the means leave of it is the spread over all axes.
    spread = max(1.0 - float((mass * lengths).sum() / mass.sum()), 1e-3)
    scale = np.float32(power * space.shape[1] / spread)
    return Mixture((scale * means).T, -0.5 * scale * lengths, background)
