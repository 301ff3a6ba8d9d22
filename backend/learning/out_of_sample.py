"""What the pool believes, carried to photos outside of it: from their neighbours in the pool and the linear half."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.linear import LinearModel
from backend.learning.probabilities import geometric_mean, linear_weight, normalise_rows
from backend.learning.projection import Projection, unit_rows

FloatArray = NDArray[np.float32]


def extend_from(arrays: Mapping[str, NDArray[Any]], embeddings: NDArray[np.floating], prior: FloatArray) -> FloatArray:
    """Probabilities float32 [m, L] of images outside the pool, from `PoolModel.export_extension`."""
    prior = normalise_rows(prior)
    if "labels" not in arrays or embeddings.shape[0] == 0:
        return prior
    features = Projection(arrays["mean"], arrays["projection"]).project(embeddings)
    reference = arrays["space"].astype(np.float32)
    cosines = unit_rows(features[:, : reference.shape[1]]) @ reference.T
    count = min(int(arrays["neighbours"]), reference.shape[0])
    neighbours = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    nearby = from_neighbours(
        neighbours,
        np.take_along_axis(cosines, neighbours, axis=1),
        arrays["labels"].astype(np.float32),
        prior,
        power=float(arrays["affinity_power"]),
    )
    if "weights" not in arrays:
        return nearby
    linear = LinearModel(arrays["weights"], arrays["bias"], float(arrays["sharpness"]))
    return geometric_mean(nearby, linear.probabilities(features), weight=linear_weight(arrays["annotated"].size))


def from_neighbours(
    neighbours: NDArray[np.integer],
    similarities: FloatArray,
    labels: FloatArray,
    prior: FloatArray,
    *,
    power: float,
) -> FloatArray:
    """Beliefs float32 [m, L] by the neighbours int [m, j] in the pool, -1 = none, with cosines [m, j]; `prior` where all are far.

    Args:
        labels: float32 [n, L], what is believed of the pool.
        power: exponent of the cosine.
    """
    weights = np.maximum(similarities, 0.0) ** np.float32(power)
    weights[neighbours < 0] = 0.0
    mixed = np.einsum("mj,mjl->ml", weights, labels[neighbours])
    return normalise_rows(mixed, otherwise=prior)


def linear_arrays(linear: LinearModel) -> dict[str, NDArray[Any]]:
    """The linear half as arrays of an exported extension."""
    return {"weights": linear.weights, "bias": linear.bias, "sharpness": np.array(linear.sharpness)}
