"""What ImageNet and WordNet say of photos before anybody has annotated one: the only place where that is worked out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from backend.features import Backbone
from backend.labels import LabelSpace, WordNet, class_weights, relevance_mass
from backend.priority.unknown import unknown_score

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

CHUNK = 8192  # photos at a time: the logits of a million at once would take 4 GB

WEIGHED_ON = 4096
"""Photos of a pool from which the weights of ImageNet classes are worked out: evenly drawn, they say what all would."""


@dataclass(frozen=True)
class ZeroShot:
    """What is known of n photos before any annotation.

    Attributes:
        priors: for each label space float32 [n, L], as `LabelSpace.prior`.
        unknown: float32 [n] in [0, 1], 1 = most unlike ImageNet; zeros where the backbone has no ImageNet layer.
        relevance: float32 [n] in [0, 1], 1 = belongs; None where no roots are set, or nothing can be said of them.
        crowd_priors: as `priors`, by the weights of ImageNet classes in the pool; empty where none were given.
        top: int [n, k], ImageNet classes, likeliest first; k = 0 unless they were asked for.
    """

    priors: list[Floats]
    unknown: Floats
    relevance: Floats | None
    crowd_priors: list[Floats]
    top: NDArray[np.intp]


def pool_weights(backbone: Backbone, embeddings: NDArray[np.floating]) -> Floats | None:
    """How much each ImageNet class tells in a pool of photos: float32 [1000], see `class_weights`.

    Args:
        embeddings: float [n, d], as they are stored, of the whole pool.

    Returns:
        None where the backbone has no ImageNet layer.
    """
    if not backbone.has_imagenet_layer:
        return None
    n = len(embeddings)
    rows = np.arange(n) if n <= WEIGHED_ON else np.linspace(0, n - 1, WEIGHED_ON).astype(np.intp)
    return class_weights(softmax(backbone.imagenet_logits(embeddings[rows]), axis=1))


def zero_shot(
    backbone: Backbone,
    spaces: Sequence[LabelSpace],
    embeddings: NDArray[np.floating],
    roots: Sequence[str] = (),
    wordnet: WordNet | None = None,
    *,
    weights: Floats | None = None,
    top: int = 0,
) -> ZeroShot:
    """Priors, strangeness and relevance of photos from their embeddings float [n, d], as they are stored.

    A backbone without an ImageNet layer knows nothing of labels: every label is as likely as any other.

    Args:
        roots: what is relevant, see `relevance_mass`; needs `wordnet`.
        weights: float32 [1000] of `pool_weights`, where `crowd_priors` are wanted.
        top: how many of the likeliest ImageNet classes to name, at most 1000.

    Raises:
        WordNetError: WordNet does not have a root.
    """
    n = len(embeddings)
    if not backbone.has_imagenet_layer:
        if roots:
            log.warning("%s has no ImageNet layer: RELEVANCE cannot be used before annotations", backbone.id)
        priors = [space.flat_prior(n) for space in spaces]
        return ZeroShot(priors, np.zeros(n, np.float32), None, [], np.zeros((n, 0), np.intp))
    parts: list[list[Floats]] = [[] for _ in spaces]
    crowds: list[list[Floats]] = [[] for _ in spaces if weights is not None]
    unknown, relevance, likeliest = [], [], []
    for start in range(0, max(n, 1), CHUNK):
        part = embeddings[start : start + CHUNK]
        logits = backbone.imagenet_logits(part)
        unknown.append(unknown_score(backbone.nearest_imagenet_class(part, logits), backbone.spec.cosine_dim))
        probabilities = softmax(logits, axis=1)
        for collected, space in zip(parts, spaces, strict=True):
            collected.append(space.prior(probabilities))
        for collected, space in zip(crowds, spaces, strict=False):
            collected.append(space.prior(probabilities, weights))
        if roots and wordnet is not None:
            relevance.append(relevance_mass(roots, probabilities, wordnet))
        likeliest.append(np.argsort(-probabilities, axis=1, kind="stable")[:, :top] if top else _none(len(part)))
    return ZeroShot(
        [np.concatenate(collected) for collected in parts],
        np.concatenate(unknown),
        np.concatenate(relevance) if relevance else None,
        [np.concatenate(collected) for collected in crowds],
        np.concatenate(likeliest),
    )


def _none(n: int) -> NDArray[np.intp]:
    return np.zeros((n, 0), np.intp)
