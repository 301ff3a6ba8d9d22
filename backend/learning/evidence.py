"""How annotations and the prior share a photo: every label has a density over the pool, the prior's or its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

STRENGTH = 0.2
"""Annotations of a label that its prior counts for."""

BACKGROUND = 0.5
"""What a prior has to exceed to claim a photo, as a share of its average over the pool."""

DOUBT = 4.0
"""Answers that a label's share of the pool counts for, against the answers that were expected of it and did not come."""

_CHUNK = 8_192


def mix_with_prior(
    spread: FloatArray, counts: FloatArray, prior: FloatArray, expected: FloatArray, *, strength: float = STRENGTH
) -> FloatArray:
    """Weigh what annotations say of each photo against the prior: float32 [n, L], at least 0, written into `spread`.

    Each label c has a density over the pool, q_c = (F_c + k D_c) / (n_c + k): F_c what its n_c annotations spread, D_c
    its prior as a density, k the strength. A photo's beliefs are in proportion to w_c q_c, w_c the share of the pool
    that c is given. A label without annotations keeps its D_c, and gives way only where an annotation of another one is
    near: close to it F_c is far above any prior's density, and away from it far below. This is a Dirichlet prior of k
    imaginary annotations for each label, placed where the prior sees it.

    The share of a label that nobody annotated is the prior's, times 4 / (4 + E_c), E_c the answers that were expected
    of it (the mean of a gamma prior on how often an expected answer comes): in a long label config most labels may
    occur in no photo of the pool. The labels that were annotated share the rest equally, as annotations come.

    D_c is what the prior sees above half its average over the pool: a label that it sees nowhere in particular claims
    little anywhere.

    Args:
        spread: float32 [n, L], annotations spread over the graph, columns not normalised; overwritten.
        counts: float32 [L], annotations of each label.
        prior: float32 [n, L], rows sum to 1.
        expected: float32 [L], answers that the prior expected for each label on the photos that were annotated.
        strength: k, more than 0.

    Returns:
        Rows that are not normalised; a row of zeros where neither annotations nor prior say anything.
    """
    n = spread.shape[0]
    mass = prior.sum(axis=0, dtype=np.float64)
    share = mass / max(float(mass.sum()), 1e-12)
    own = counts / (counts + strength)
    unseen = share * (DOUBT / (DOUBT + expected))
    left = max(1.0 - float(((1.0 - own) * unseen).sum()), 1e-6)
    each = left / max(float(own.sum()), 1e-6)
    weight = unseen ** (1.0 - own) * each**own / (counts + strength)
    scale = strength * weight * np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)
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
