"""How annotations and the prior share a photo: every label has a density over the pool, the prior's or its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

STRENGTH = 0.2
"""Annotations of a label that its prior counts for."""

BACKGROUND = 0.5
"""What a prior has to exceed to claim a photo, as a share of its average over the pool."""

MIN_RELEVANT = 0.1
"""Least share of the pool that is taken to belong, whatever the answers are so far."""

SINGLE_SHARE = 0.6
"""Weight of a label that was given once in the estimate of what was never given, [0, 1]; Good and Turing's is 1, for
answers drawn by chance. The order asks for what is new, so that among its answers more labels come once."""

NEVER_SURE = 1.75
"""Labels that may come yet, whatever the answers are: few answers show little of how many there are."""

_LEAST_SHARE = 0.01  # of an equal one: with `multiple` ImageNet sees a label of its own kind nowhere, and it is learned
_LEAST_MASS = 1e-20  # of a column of the prior: with less its density is no number

_CHUNK = 8_192


def label_shares(
    counts: FloatArray,
    prior: FloatArray,
    irrelevant: NDArray[np.bool_] | None = None,
    *,
    strength: float = STRENGTH,
) -> tuple[NDArray[np.float64], float]:
    """How common each label is taken to be, float64 [L], and how many labels the pool seems to show, in [1, L].

    A label that nobody annotated has the share that the prior gives it. All such labels together have at most
    (0.6 f_1 + 1.75) / m, f_1 the labels with one of the m annotations: about as often is the next answer a new label
    (after Good and Turing, [47] of docs/bibliography.md). Most labels of a long label config may occur in no photo.
    Those that were annotated share the rest, as annotations come, in proportion to the root of n_c + 1: who asks for
    what is new hears less of what is common. What they get on average says how many there are. What does not belong is
    asked about least of all: it has at least the share of its answers.

    Args:
        counts: float32 [L], annotations of each label.
        prior: float32 [n, L], rows sum to 1.
        irrelevant: bool [L], the labels for photos that do not belong; None: there are none.
        strength: annotations of a label that its prior counts for, more than 0.
    """
    mass = prior.sum(axis=0, dtype=np.float64)
    share = np.maximum(mass / max(float(mass.sum()), 1e-12), _LEAST_SHARE / max(mass.size, 1))
    own = counts / (counts + strength)
    single, answers = float((np.rint(counts) == 1).sum()), max(float(counts.sum()), 1.0)
    unseen = float(((1.0 - own) * share).sum())
    share *= min(1.0, (SINGLE_SHARE * single + NEVER_SURE) / answers / max(unseen, 1e-6))
    left = max(1.0 - float(((1.0 - own) * share).sum()), 1e-6)
    present = float(own.sum()) / left if own.any() else np.inf
    roots = np.sqrt(counts + 1.0)
    each = left * roots / max(float((own * roots).sum()), 1e-6)
    shares = share ** (1.0 - own) * each**own
    if irrelevant is not None and counts[irrelevant].any():
        given = counts[irrelevant] / answers
        others = float(shares[~irrelevant].sum()) / max(1.0 - float(given.sum()), MIN_RELEVANT)
        shares[irrelevant] = np.maximum(shares[irrelevant], given * others)
    return shares, min(max(present, 1.0), float(max(share.size, 1)))


def mix_with_prior(
    spread: FloatArray,
    counts: FloatArray,
    prior: FloatArray,
    shares: NDArray[np.float64],
    *,
    strength: float = STRENGTH,
) -> FloatArray:
    """Weigh what annotations say of each photo against the prior: float32 [n, L], at least 0, written into `spread`.

    Each label c has a density over the pool, q_c = (F_c + k D_c) / (n_c + k): F_c what its n_c annotations spread, D_c
    its prior as a density, k the strength. A photo's beliefs are in proportion to w_c q_c, w_c the share of the pool
    that c is given (`label_shares`). A label without annotations keeps its D_c, and gives way only where an annotation
    of another one is near: close to it F_c is far above any prior's density, and away from it far below. This is a
    Dirichlet prior of k imaginary annotations for each label, placed where the prior sees it.

    D_c is what the prior sees above half its average over the pool: a label that it sees nowhere in particular claims
    little anywhere.

    Args:
        spread: float32 [n, L], annotations spread over the graph, columns not normalised; overwritten.
        counts: float32 [L], annotations of each label.
        prior: float32 [n, L], rows sum to 1.
        shares: float64 [L], of `label_shares`.
        strength: k, more than 0.

    Returns:
        Rows that are not normalised; a row of zeros where neither annotations nor prior say anything.
    """
    n = spread.shape[0]
    mass = prior.sum(axis=0, dtype=np.float64)
    weight = shares / (counts + strength)
    scale = strength * weight * np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > _LEAST_MASS)
    average = (BACKGROUND * scale * mass / max(n, 1)).astype(np.float32)
    weight32, scale32 = weight.astype(np.float32), scale.astype(np.float32)
    for start in range(0, n, _CHUNK):
        block = spread[start : start + _CHUNK]
        claims = prior[start : start + _CHUNK] * scale32
        claims -= average
        np.maximum(claims, 0.0, out=claims)
        block *= weight32
        block += claims
    return spread
