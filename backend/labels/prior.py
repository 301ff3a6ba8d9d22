"""From ImageNet probabilities to label probabilities: the arithmetic, on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BACKGROUND = 0.03  # evidence that an ImageNet class is there for a reason that no label names
THIN = 0.3  # share in the unexplained mass of a label that ImageNet does support, as against one it does not


def class_posterior(association: npt.NDArray[np.float32], *, exclusive: bool) -> npt.NDArray[np.float32]:
    """P(label | ImageNet class) from the strengths of evidence.

    exclusive: P(l | c) = A[l, c] / (sum over labels of A[·, c] + b), so that columns sum to less than 1 and the rest
    is unexplained. Not exclusive: A[l, c] / (A[l, c] + b), each label by itself. b = BACKGROUND.

    Args:
        association: [L, 1000], [0, 1].

    Returns:
        float32 [L, 1000], [0, 1).
    """
    total = association.sum(axis=0, keepdims=True) if exclusive else association
    return np.asarray(association / (total + BACKGROUND), dtype=np.float32)


def blend_unexplained(
    mass: npt.NDArray[np.float32], supported: npt.NDArray[np.bool_], irrelevant: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Spread the mass that no label explains, so that rows sum to 1.

    An unsupported label gets a full share, a supported one THIN of a share. The irrelevant labels together get as
    much as all unsupported ones (at least one share).

    Args:
        mass: [n, L], rows sum to at most 1.
        supported: [L].
        irrelevant: [L].

    Returns:
        float32 [n, L], rows sum to 1.
    """
    if mass.shape[1] == 0:
        return mass
    shares = np.where(supported, np.float32(THIN), np.float32(1.0))
    if irrelevant.any():
        unsupported = float(np.count_nonzero(~supported & ~irrelevant))
        shares[irrelevant] = max(unsupported, 1.0) / float(np.count_nonzero(irrelevant))
    shares /= shares.sum()
    rest = np.clip(1.0 - mass.sum(axis=1, keepdims=True), 0.0, 1.0)
    blended = mass + rest * shares
    return np.asarray(blended / blended.sum(axis=1, keepdims=True), dtype=np.float32)
