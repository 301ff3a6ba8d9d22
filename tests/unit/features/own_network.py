"""A small ONNX file that works as a backbone: means of colours on a grid, and some mixtures of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
GRID = 4
WIDTH = 3 * GRID * GRID + 16
MEAN = (120.0, 110.0, 100.0)
SCALE = (60.0, 55.0, 50.0)

Floats = npt.NDArray[np.float32]


def mixtures() -> Floats:
    return np.random.default_rng(3).normal(size=(3 * GRID * GRID, 16)).astype(np.float32)


def embedding_of(image: npt.NDArray[np.uint8]) -> Floats:
    """What the network gives for an image uint8 [SIZE, SIZE, 3], worked out without it: float32 [WIDTH]."""
    normalised = (image.astype(np.float32) - np.array(MEAN, np.float32)) / np.array(SCALE, np.float32)
    step = SIZE // GRID
    means = normalised.reshape(GRID, step, GRID, step, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()
    positive = np.maximum(means @ mixtures(), 0.0)
    return np.concatenate([means, positive]).astype(np.float32)


def write_network(path: Path, *, pooled: bool = True, **numbers: Any) -> Path:
    """The network at `path`, its numbers beside it; not `pooled`: its output is a feature map."""
    step = SIZE // GRID
    nodes = [
        helper.make_node("AveragePool", ["image"], ["map"], kernel_shape=[step, step], strides=[step, step]),
        helper.make_node("Flatten", ["map"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["mixed"]),
        helper.make_node("Relu", ["mixed"], ["positive"]),
        helper.make_node("Concat", ["means", "positive"], ["embedding"], axis=1),
    ]
    shape = ["n", WIDTH] if pooled else ["n", 3, GRID, GRID]
    output = helper.make_tensor_value_info("embedding" if pooled else "map", TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        nodes if pooled else nodes[:1],
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "height", "width"])],
        [output],
        [numpy_helper.from_array(mixtures(), "weights")] if pooled else [],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    description = {"input_size": SIZE, "mean": MEAN, "scale": SCALE, **numbers}
    path.with_suffix(".json").write_text(json.dumps(description), encoding="utf-8")
    return path
