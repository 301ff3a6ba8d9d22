"""Triplet losses over the photos of a batch: which triplets count.

Sources: F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet" (2015), for the semi-hard ones; A. Hermans, L. Beyer, B.
Leibe, "In Defense of the Triplet Loss for Person Re-Identification" (2017), for the hard ones and for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

Triplets = Literal["hard", "semi-hard", "all"]

_NONE = 3.0  # farther than any two unit vectors
_TINY = 1e-6


def triplet_loss(triplets: Triplets, margin: float) -> Callable[[Any, Any], Any]:
    """A loss of labels [b] and unit rows [b, d]: one value for each row, hinged at `margin`, in [0, 2 + margin].

    Args:
        triplets: `hard`: the farthest photo of a label against the nearest of another; `semi-hard`: each photo of the
            label against the nearest other that is farther; `all`: every triplet that is not yet apart.
    """
    return lambda labels, rows: _LOSSES[triplets](*_distances(labels, rows), margin)


def _distances(labels: Any, rows: Any) -> tuple[Any, Any]:
    """Whether two rows have one label [b, b], and their distances [b, b], in [0, 2]."""
    from backend.frameworks import ops

    labels = ops.reshape(labels, (-1,))
    cosines = ops.matmul(rows, ops.transpose(rows))
    return ops.equal(labels[:, None], labels[None, :]), ops.sqrt(ops.maximum(2.0 - 2.0 * cosines, _TINY))


def _hard(same: Any, distances: Any, margin: float) -> Any:
    from backend.frameworks import ops

    farthest_same = ops.max(ops.where(same, distances, -1.0), axis=1)
    nearest_other = ops.min(ops.where(same, _NONE, distances), axis=1)
    return ops.relu(farthest_same - nearest_other + margin)


def _semi_hard(same: Any, distances: Any, margin: float) -> Any:
    from backend.frameworks import ops

    # [anchor, positive, negative]; where no negative is farther than the positive, the farthest one stands in.
    farther = ops.logical_and(~same[:, None, :], distances[:, None, :] > distances[:, :, None])
    nearest_farther = ops.min(ops.where(farther, distances[:, None, :], _NONE), axis=2)
    farthest = ops.max(ops.where(same, -1.0, distances), axis=1, keepdims=True)
    negative = ops.where(ops.any(farther, axis=2), nearest_farther, farthest)
    return _mean_of(ops.relu(distances - negative + margin), same & ~_itself(same), axis=1)


def _all(same: Any, distances: Any, margin: float) -> Any:
    from backend.frameworks import ops

    losses = ops.relu(distances[:, :, None] - distances[:, None, :] + margin)
    valid = ops.logical_and((same & ~_itself(same))[:, :, None], ~same[:, None, :])
    return _mean_of(losses, ops.logical_and(valid, losses > 0), axis=(1, 2))


def _itself(same: Any) -> Any:
    from backend.frameworks import ops

    return ops.cast(ops.eye(ops.shape(same)[0]), "bool")


def _mean_of(losses: Any, valid: Any, axis: Any) -> Any:
    from backend.frameworks import ops

    weights = ops.cast(valid, losses.dtype)
    return ops.sum(losses * weights, axis=axis) / ops.maximum(ops.sum(weights, axis=axis), 1.0)


_LOSSES: Mapping[str, Callable[[Any, Any, float], Any]] = MappingProxyType(
    {"hard": _hard, "semi-hard": _semi_hard, "all": _all}
)
