"""The Keras network of a backbone: one network as it is, or several side by side behind one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.features.spec import BackboneSpec, ImageNetNetwork, NetworkSpec


def build_network(spec: BackboneSpec, weights: Sequence[Path | None]) -> ImageNetNetwork:
    """The network of a backbone, from the weights file of each of its networks (None: random weights).

    Several networks see one picture, each at its own size; their embeddings stand side by side, and their answers are
    averaged: logits = sum of embedding_i @ kernel_i / k + mean bias, one layer on the whole embedding.

    Raises:
        WeightsError: a file is damaged or of another architecture.
    """
    networks = [part.build_network(file) for part, file in zip(spec.networks, weights, strict=True)]
    if not spec.several:
        return networks[0]
    from backend.frameworks import keras

    image = keras.Input((spec.input_size, spec.input_size, 3))
    outputs = []
    for part, network in zip(spec.networks, networks, strict=True):
        network.body.name = part.name.replace(".", "_")
        outputs.append(network.body(_as_wanted(image, spec, part)))
    body = keras.Model(image, keras.layers.Concatenate(name="side_by_side")(outputs), name=spec.name)
    share = np.float32(1.0 / len(networks))
    kernel = np.concatenate([network.kernel for network in networks]) * share
    return ImageNetNetwork(body, kernel, np.sum([network.bias for network in networks], axis=0) * share)


def _as_wanted(image: Any, spec: BackboneSpec, part: NetworkSpec) -> Any:
    """The normalised picture of the backbone at the size, and in the range, that one network wants."""
    from backend.frameworks import keras

    if part.input_size != spec.input_size:
        image = keras.layers.Resizing(part.input_size, part.input_size, name=f"{part.name}_size")(image)
    if (part.mean, part.scale) != (spec.mean, spec.scale):
        offset = (spec.mean - part.mean) / part.scale
        image = keras.layers.Rescaling(spec.scale / part.scale, offset=offset, name=f"{part.name}_range")(image)
    return image
