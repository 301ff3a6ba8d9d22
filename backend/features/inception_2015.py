"""The Inception graph that TensorFlow's first image classifier downloaded: classify_image_graph_def.pb of 2015.

Its archive (inception-2015-12-05.tgz) holds the class list beside it, in an order of its own; both files are needed.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from backend.errors import WeightsError
from backend.features.frozen_to_keras import FrozenNetwork
from backend.features.spec import IMAGENET_CLASSES, Floats, ImageNetNetwork

CLASSES_FILE = "imagenet_2012_challenge_label_map_proto.pbtxt"
NAMES_FILE = "imagenet_synset_to_human_label_map.txt"
ENDING = ".pb"
_CLASS = re.compile(r'target_class:\s*(\d+)\s+target_class_string:\s*"(n\d{8})"')
_NORMALISED, _POOL = "Mul", "pool_3"  # pixels made small numbers, and the average over the picture
_KERNEL, _BIAS = "softmax/weights", "softmax/biases"


def class_places(graph: Path) -> dict[str, int]:
    """The place of each WordNet id among the outputs of the graph, by the class list beside it.

    Raises:
        WeightsError: there is no such list, or it is damaged.
    """
    path = graph.parent / CLASSES_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{graph} needs its class list beside it, {CLASSES_FILE} of the same archive: {error}"
        ) from None
    places = {wnid: int(place) for place, wnid in _CLASS.findall(text)}
    if len(places) != IMAGENET_CLASSES:
        raise WeightsError(f"{path} lists {len(places)} classes instead of {IMAGENET_CLASSES}: take it anew.")
    return places


def class_names(graph: Path, outputs: int) -> list[str] | None:
    """A name for each output of the graph, by the two files beside it; None where they are not there.

    Raises:
        WeightsError: the class list is damaged, or speaks of more classes than the graph has.
    """
    if not (graph.parent / CLASSES_FILE).is_file():
        return None
    names: dict[str, str] = {}
    if (graph.parent / NAMES_FILE).is_file():
        lines = (graph.parent / NAMES_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
        names = {wnid: name for wnid, _, name in (line.partition("\t") for line in lines) if name}
    labels = [f"(unused {place})" for place in range(outputs)]  # eight outputs were never trained
    for wnid, place in class_places(graph).items():
        if place >= outputs:
            raise WeightsError(f"{graph.parent / CLASSES_FILE} has a class {place}, {graph} only {outputs} outputs.")
        labels[place] = names.get(wnid, wnid)
    return labels


def build_network(graph: Path, size: int, width: int, mean: float, scale: float) -> ImageNetNetwork:
    """The graph as a network with its 1000 classes in the usual order.

    Args:
        size: pixels, both ways, of the pictures it takes.
        width: length of its embeddings.
        mean, scale: how pixels were normalised before: (pixel - mean) / scale.

    Raises:
        WeightsError: the graph or its class list is missing, damaged or another one.
    """
    from backend.frameworks import keras

    places = class_places(graph)
    frozen = FrozenNetwork(graph)
    shift, factor = _normalisation(frozen)
    inputs = keras.Input((size, size, 3))
    pixels = keras.layers.Rescaling(scale * factor, (mean - shift) * factor)(inputs)
    pooled = keras.layers.Flatten()(frozen.to_keras(_NORMALISED, _POOL, pixels))
    kernel, bias = _imagenet_layer(frozen, places)
    if not pooled.shape[1] == kernel.shape[0] == width:
        raise WeightsError(
            f"{graph}: {_POOL!r} has {pooled.shape[1]} values and {_KERNEL!r} takes {kernel.shape[0]}; both must be {width}."
        )
    return ImageNetNetwork(keras.Model(inputs, pooled, name="inception_2015"), kernel, bias)


def _normalisation(frozen: FrozenNetwork) -> tuple[float, float]:
    """What is taken from a pixel, and what the difference is multiplied by."""
    product = frozen.node(_NORMALISED)
    difference = frozen.node(product.input[0])
    return float(frozen.array(difference.input[1])), float(frozen.array(product.input[1]))


def _imagenet_layer(frozen: FrozenNetwork, places: dict[str, int]) -> tuple[Floats, Floats]:
    kernel, bias = frozen.array(_KERNEL), frozen.array(_BIAS)
    wanted = np.array([places[wnid] for wnid in sorted(places)])
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:] or wanted.max() >= bias.size:
        raise WeightsError(
            f"{frozen.path}: {_KERNEL!r} {list(kernel.shape)} and {_BIAS!r} {list(bias.shape)} do not fit {CLASSES_FILE}."
        )
    return np.asarray(kernel[:, wanted], np.float32), np.asarray(bias[wanted], np.float32)
