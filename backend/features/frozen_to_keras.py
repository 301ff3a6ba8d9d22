"""A frozen graph of TensorFlow 1 as a Keras network: the few operations that image networks of 2015 are made of.

TensorFlow still reads such graphs, but not all of their operations inside functions (batch normalisation was another
one then). As Keras layers they can be compiled, quantised, fine-tuned and exported like any other network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.errors import WeightsError
from backend.features.spec import Floats

if TYPE_CHECKING:
    import keras

PASSED_THROUGH = ("Identity", "CheckNumerics", "StopGradient", "Squeeze")


class FrozenNetwork:
    """The nodes of a frozen graph, by name.

    Raises:
        WeightsError: the file is no frozen graph.
    """

    def __init__(self, path: Path) -> None:
        from google.protobuf.message import DecodeError

        from backend.frameworks import GraphDef

        definition = GraphDef()
        try:
            definition.ParseFromString(path.read_bytes())
        except (OSError, DecodeError) as error:
            raise WeightsError(f"{path} cannot be read as a frozen TensorFlow graph: {error}") from None
        self.path = path
        self._nodes = {node.name: node for node in definition.node}

    def node(self, name: str) -> Any:
        """The node of that name, or of that output ("conv:0").

        Raises:
            WeightsError: there is none.
        """
        name = name.removeprefix("^").partition(":")[0]
        if name not in self._nodes:
            raise WeightsError(f"{self.path} has no node {name!r}: it is not the graph that it is taken for.")
        return self._nodes[name]

    def array(self, name: str) -> Floats:
        """The value of a constant, perhaps behind an Identity.

        Raises:
            WeightsError: the node is missing or no constant.
        """
        from backend.frameworks import tf

        node = self.node(name)
        while node.op in PASSED_THROUGH:
            node = self.node(node.input[0])
        if node.op != "Const":
            raise WeightsError(f"{self.path}: {node.name!r} is no constant ({node.op}): the graph is not frozen.")
        return np.asarray(tf.make_ndarray(node.attr["value"].tensor))

    def to_keras(self, source: str, sink: str, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """The layers from the output of node `source`, which `inputs` takes the place of, to that of node `sink`.

        Raises:
            WeightsError: a node on the way is of a kind that has no layer here; the message names it.
        """
        done: dict[str, Any] = {self.node(source).name: inputs}
        waiting = [self.node(sink).name]
        while waiting:
            name = waiting[-1]
            if name in done:
                waiting.pop()
                continue
            node = self.node(name)
            parents = [self.node(parent).name for parent in self._images(node)]
            missing = [parent for parent in parents if parent not in done]
            if missing:
                waiting += missing
                continue
            layer = _LAYERS.get(node.op)
            if layer is None:
                raise WeightsError(f"{self.path}: {name!r} is of a kind that cannot be read here ({node.op}).")
            done[name] = layer(self, node, [done[parent] for parent in parents])
            waiting.pop()
        return done[self.node(sink).name]

    def _images(self, node: Any) -> list[str]:
        """The inputs of a node that depend on the picture."""
        named = [name for name in node.input if not name.startswith("^")]
        if node.op == "Concat":
            return named[1:]  # the axis came first then
        if node.op == "ConcatV2":
            return named[:-1]
        return named[:1]


def _convolution(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    from backend.frameworks import keras

    kernel = graph.array(node.input[1])
    strides, padding = list(node.attr["strides"].list.i)[1:3], node.attr["padding"].s.decode().lower()
    if node.op == "DepthwiseConv2dNative":
        layer: Any = keras.layers.DepthwiseConv2D(
            kernel.shape[:2], strides, padding, depth_multiplier=kernel.shape[3], use_bias=False
        )
    else:
        layer = keras.layers.Conv2D(kernel.shape[3], kernel.shape[:2], strides, padding, use_bias=False)
    return _with_weights(layer, inputs[0], kernel)


def _bias(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    from backend.frameworks import keras

    bias = graph.array(node.input[1])
    identity = keras.layers.BatchNormalization(scale=False, epsilon=0.0)  # x - 0, over 1, plus the bias
    return _with_weights(identity, inputs[0], bias, np.zeros_like(bias), np.ones_like(bias))


def _old_normalisation(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    mean, variance, beta, gamma = (graph.array(name) for name in list(node.input)[1:5])
    scaled = node.attr["scale_after_normalization"].b
    return _normalised(inputs[0], gamma if scaled else None, beta, mean, variance, node.attr["variance_epsilon"].f)


def _fused_normalisation(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    gamma, beta, mean, variance = (graph.array(name) for name in list(node.input)[1:5])
    return _normalised(inputs[0], gamma, beta, mean, variance, node.attr["epsilon"].f)


def _normalised(inputs: Any, gamma: Floats | None, beta: Floats, mean: Floats, variance: Floats, epsilon: float) -> Any:
    from backend.frameworks import keras

    layer = keras.layers.BatchNormalization(scale=gamma is not None, epsilon=epsilon)
    return _with_weights(layer, inputs, *([] if gamma is None else [gamma]), beta, mean, variance)


def _pooling(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    from backend.frameworks import keras

    kind = keras.layers.MaxPooling2D if node.op == "MaxPool" else keras.layers.AveragePooling2D
    size, strides = (list(node.attr[name].list.i)[1:3] for name in ("ksize", "strides"))
    return kind(size, strides, node.attr["padding"].s.decode().lower())(inputs[0])


def _concatenation(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    from backend.frameworks import keras

    axis = int(graph.array(node.input[0] if node.op == "Concat" else node.input[-1]))
    return keras.layers.Concatenate(axis=axis)(inputs)


def _relu(graph: FrozenNetwork, node: Any, inputs: list[Any]) -> Any:
    from backend.frameworks import keras

    return keras.layers.ReLU(max_value=6.0 if node.op == "Relu6" else None)(inputs[0])


def _with_weights(layer: Any, inputs: Any, *weights: Floats) -> Any:
    outputs = layer(inputs)
    layer.set_weights([np.asarray(values, np.float32) for values in weights])
    return outputs


_LAYERS: dict[str, Callable[[FrozenNetwork, Any, list[Any]], Any]] = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2dNative"), _convolution),
    "BiasAdd": _bias,
    "BatchNormWithGlobalNormalization": _old_normalisation,
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _fused_normalisation),
    **dict.fromkeys(("MaxPool", "AvgPool"), _pooling),
    **dict.fromkeys(("Concat", "ConcatV2"), _concatenation),
    **dict.fromkeys(("Relu", "Relu6"), _relu),
    **dict.fromkeys(PASSED_THROUGH, lambda graph, node, inputs: inputs[0]),
}
