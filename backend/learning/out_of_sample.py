"""What the pool believes, carried to photos outside of it: from their neighbours in the pool and the linear half."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.confidence import as_sure_as_the_photo
from backend.learning.label_sets import LabelSets
from backend.learning.linear import LinearModel
from backend.learning.mixture import Mixture, mixture_weight
from backend.learning.probabilities import geometric_mean, linear_weight, normalise_rows
from backend.learning.projection import Projection, unit_rows

FloatArray = NDArray[np.float32]


COMMON = ("annotated", "mean", "projection", "space", "neighbours", "affinity_power")
"""Arrays of an exported extension that say nothing of labels."""

OF_SETS = "sets_"
"""Arrays of an exported extension whose name begins so say of sets what those without it say of labels."""


def extend_from(arrays: Mapping[str, NDArray[Any]], embeddings: NDArray[np.floating], prior: FloatArray) -> FloatArray:
    """Probabilities float32 [m, L] of images outside the pool, from `export_extension` of a `PoolModel` or its kind."""
    shares = _extend_shares(arrays, embeddings, prior)
    if "members" not in arrays or embeddings.shape[0] == 0:
        return shares
    members = arrays["members"].astype(np.float32)
    sets = LabelSets(members, np.zeros((0, members.shape[0]), dtype=np.float32), float(arrays["set_weight"]))
    common = {name: arrays[name] for name in COMMON}
    own = {name.removeprefix(OF_SETS): array for name, array in arrays.items() if name.startswith(OF_SETS)}
    return sets.marginals(_extend_shares(common | own, embeddings, sets.prior(normalise_rows(prior))), shares)


def set_arrays(sets: LabelSets, extension: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What is to be exported of the sets, from the `extension` of the pool whose labels they are."""
    own = {OF_SETS + name: array for name, array in extension.items() if name not in COMMON}
    return {"members": sets.members, "set_weight": np.array(sets.weight), **own}


def _extend_shares(
    arrays: Mapping[str, NDArray[Any]], embeddings: NDArray[np.floating], prior: FloatArray
) -> FloatArray:
    """Beliefs float32 [m, L] of images outside the pool; rows sum to 1."""
    prior = normalise_rows(prior)
    if "labels" not in arrays or not arrays["labels"].shape[0] or embeddings.shape[0] == 0:
        return prior
    features = Projection(arrays["mean"], arrays["projection"]).project(embeddings)
    reference = arrays["space"].astype(np.float32)
    space = unit_rows(features[:, : reference.shape[1]])
    cosines = space @ reference.T
    count = min(int(arrays["neighbours"]), reference.shape[0])
    neighbours = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    similarities = np.take_along_axis(cosines, neighbours, axis=1)
    labels = arrays["labels"].astype(np.float32)
    nearby = from_neighbours(neighbours, similarities, labels, prior, power=float(arrays["affinity_power"]))
    beliefs, annotations = nearby, arrays["annotated"].size
    if "weights" in arrays:
        linear = LinearModel(arrays["weights"], arrays["bias"], float(arrays["sharpness"]))
        beliefs = geometric_mean(nearby, linear.probabilities(features), weight=linear_weight(annotations))
    if "mixture_weights" not in arrays:
        return beliefs
    bias = arrays["mixture_bias"]
    # What an earlier version wrote has no background, and counts all labels of the config.
    mixture = Mixture(arrays["mixture_weights"], bias, arrays.get("mixture_background", np.zeros(bias.shape, bool)))
    mixed = mixture.beliefs(space, nearby, around(neighbours, similarities, arrays["mixture_beliefs"]))
    per_label = float(arrays.get("per_label", annotations / prior.shape[1]))
    return with_mixture(beliefs, mixed, prior, per_label, mixture.background, arrays.get("depicted"))


def with_mixture(
    beliefs: FloatArray,
    mixed: FloatArray,
    prior: FloatArray,
    per_label: float,
    irrelevant: NDArray[np.bool_],
    depicted: NDArray[np.bool_] | None,
) -> FloatArray:
    """Beliefs [m, L] averaged with the mixture's `mixed` [m, L], and shown as sure as `prior` [m, L] lets them be.

    Args:
        irrelevant: bool [L], labels for what does not belong.
        depicted: bool [L], labels that ImageNet has classes of; None: not known.
    """
    averaged = geometric_mean(beliefs, mixed, weight=mixture_weight(prior, per_label))
    return as_sure_as_the_photo(averaged, prior, per_label, depicted=depicted, irrelevant=irrelevant, new=True)


def from_neighbours(
    neighbours: NDArray[np.integer],
    similarities: FloatArray,
    labels: FloatArray,
    prior: FloatArray,
    *,
    power: float,
) -> FloatArray:
    """Beliefs float32 [m, L] by the neighbours int [m, j] in the pool, -1 = none, with cosines [m, j]; `prior` where
    all are far.

    Args:
        labels: float32 [n, L], what is believed of the pool.
        power: exponent of the cosine.
    """
    weights = np.maximum(similarities, 0.0) ** np.float32(power)
    weights[neighbours < 0] = 0.0
    mixed = np.einsum("mj,mjl->ml", weights, labels[neighbours])
    return normalise_rows(mixed, otherwise=prior)


def around(neighbours: NDArray[np.integer], similarities: FloatArray, beliefs: NDArray[np.floating]) -> FloatArray:
    """The neighbours' `beliefs` [n, L], summed by their cosines: float32 [m, L]; arguments as of `from_neighbours`."""
    weights = np.maximum(similarities, 0.0)
    weights[neighbours < 0] = 0.0
    summed: FloatArray = np.einsum("mj,mjl->ml", weights, beliefs[neighbours].astype(np.float32))
    return summed


def linear_arrays(linear: LinearModel) -> dict[str, NDArray[Any]]:
    """The linear half as arrays of an exported extension."""
    return {"weights": linear.weights, "bias": linear.bias, "sharpness": np.array(linear.sharpness)}


def mixture_arrays(
    mixture: Mixture, beliefs: FloatArray, per_label: float, depicted: NDArray[np.bool_] | None
) -> dict[str, NDArray[Any]]:
    """The mixture as arrays of an exported extension, with its `beliefs` [n, L] of the images that are carried, and
    what how sure they are shown to be goes by."""
    known: dict[str, NDArray[Any]] = {} if depicted is None else {"depicted": depicted}
    return known | {
        "mixture_weights": mixture.weights,
        "mixture_bias": mixture.bias,
        "mixture_background": mixture.background,
        "mixture_beliefs": beliefs.astype(np.float16),
        "per_label": np.array(per_label),
    }
