"""A network with its weights as constants: what converters read many times faster than variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def frozen_graph(forward: Callable[[Any], Any], shape: Sequence[int | None], dtype: Any, name: str) -> Any:
    """The `GraphDef` of `forward` over an input of this shape and dtype called `name`; bound to no device."""
    from backend.frameworks import convert_variables_to_constants_v2, tf

    with tf.device("/cpu:0"):  # a frozen graph runs wherever it is loaded
        function = tf.function(forward).get_concrete_function(tf.TensorSpec(shape, dtype, name=name))
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    for node in graph.node:
        node.device = ""
    return graph
