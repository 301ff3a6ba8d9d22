"""From ImageNet probabilities to label probabilities: the arithmetic, on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backend.labels.association import Evidence

BACKGROUND = 0.05  # claim of "some other reason" on every ImageNet class
SUPPORTED_SHARE = 0.3  # share in the unexplained mass of a label that ImageNet does support, as against one it does not


def class_posterior(evidence: Evidence) -> npt.NDArray[np.float32]:
    """P(label | ImageNet class) when exactly one label holds.

    P(l | c) = m / (m + b) x share[l, c] / sum over labels of share[·, c], with m = max over labels of claim[·, c] and
    b = BACKGROUND: the best claim says how much of the class is explained at all, the shares who gets it.

    Returns:
        float32 [L, 1000]; columns sum to m / (m + b) < 1, and the rest is unexplained.
    """
    total = evidence.share.sum(axis=0, keepdims=True)
    return np.asarray(explained_share(evidence) * evidence.share / np.where(total > 0.0, total, 1.0), dtype=np.float32)


def explained_share(evidence: Evidence) -> npt.NDArray[np.float32]:
    """float32 [1000], [0, 1): how much of each ImageNet class the labels explain."""
    best = evidence.claim.max(axis=0, initial=0.0)
    return np.asarray(best / (best + BACKGROUND), dtype=np.float32)


def blend_unexplained(
    mass: npt.NDArray[np.float32], supported: npt.NDArray[np.bool_], irrelevant: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Spread the mass that no label explains, so that rows sum to 1.

    An unsupported label gets a full share, a supported one SUPPORTED_SHARE of a share. The irrelevant labels together
    get as much as all unsupported ones (at least one share).

    Args:
        mass: [n, L], rows sum to at most 1.
        supported: [L].
        irrelevant: [L].

    Returns:
        float32 [n, L], rows sum to 1.
    """
    if mass.shape[1] == 0:
        return mass
    shares = np.where(supported, np.float32(SUPPORTED_SHARE), np.float32(1.0))
    if irrelevant.any():
        unsupported = float(np.count_nonzero(~supported & ~irrelevant))
        shares[irrelevant] = max(unsupported, 1.0) / float(np.count_nonzero(irrelevant))
    shares /= shares.sum()
    rest = np.clip(1.0 - mass.sum(axis=1, keepdims=True), 0.0, 1.0)
    blended = mass + rest * shares
    return np.asarray(blended / blended.sum(axis=1, keepdims=True), dtype=np.float32)


def as_much_as(mass: npt.NDArray[np.float32], weighed: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`weighed` [n, L] with rows that sum to what those of `mass` [n, L] do: float32; a row of zeros stays one."""
    total = weighed.sum(axis=1, keepdims=True)
    return np.asarray(weighed * (mass.sum(axis=1, keepdims=True) / np.maximum(total, 1e-12)), dtype=np.float32)
