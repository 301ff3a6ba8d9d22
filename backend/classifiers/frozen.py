"""Frozen TensorFlow graphs: ours, and those that programs of TensorFlow 1 wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.export.format import Runner
from backend.learning.export.frozen_graph import MEAN, STD

# TensorFlow for Poets: MobileNet's and the hub's inputs, then those of the 2015 Inception graph.
INPUTS = ("input", "Placeholder", "Mul")
OUTPUTS = ("final_result", "softmax")
OLD_SIZE = 299  # of Inception, where the graph does not tell
OLD_MEAN = 128.0
OLD_STD = 128.0


@dataclass(frozen=True)
class FrozenGraph:
    """A frozen graph ready to run on raw pixels; `size` is (height, width)."""

    run: Runner
    size: tuple[int, int]


def open_frozen(
    path: Path,
    input_layer: str | None,
    output_layer: str | None,
    mean: float | None,
    std: float | None,
    size: tuple[int | None, int | None],
) -> FrozenGraph:
    """Open a .pb file; what is None is read from the graph, or is what TensorFlow for Poets used.

    Raises:
        BackendError: it has no such layer; the message names those that it has.
    """
    from backend.frameworks import tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    names = [node.name for node in definition.node]
    source = _tensor(graph, names, input_layer, INPUTS, "--input-layer", path)
    sink = _tensor(graph, names, output_layer, OUTPUTS, "--output-layer", path)
    session = tf.compat.v1.Session(graph=graph)
    if MEAN in names and STD in names:
        own_mean, own_std = (float(value) for value in session.run([f"{MEAN}:0", f"{STD}:0"]))
    else:
        own_mean, own_std = OLD_MEAN, OLD_STD
    shift, scale = own_mean if mean is None else mean, own_std if std is None else std
    if scale == 0:
        raise BackendError("--input-std 0: pixels are divided by it; give another.", reason="bad_graph")

    shape = source.shape
    one_by_one = shape.rank == 4 and shape[0] == 1  # as the graph of 2015 takes them

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = (images.astype(np.float32) - np.float32(shift)) / np.float32(scale)
        batches = np.split(pixels, len(pixels)) if one_by_one else [pixels]
        answers = [np.asarray(session.run(sink, {source: batch}), dtype=np.float32) for batch in batches]
        return np.concatenate([answer.reshape(-1, answer.shape[-1]) for answer in answers])

    height, width = size
    if shape.rank == 4 and shape[1] is not None and shape[2] is not None:
        height, width = shape[1], shape[2]
    return FrozenGraph(run, (height or OLD_SIZE, width or OLD_SIZE))


def _tensor(graph: Any, names: list[str], wanted: str | None, usual: tuple[str, ...], option: str, path: Path) -> Any:
    name = wanted or next((name for name in usual if name in names), None)
    name = name.removeprefix("import/").partition(":")[0] if name else None
    if name is None or name not in names:
        there = ", ".join([*names[:3], "…", *names[-3:]] if len(names) > 8 else names)
        missing = f"no layer {name!r}" if name else f"none of the usual layers ({', '.join(usual)})"
        raise BackendError(f"{path} has {missing}: name one with {option}. It has: {there}.", reason="bad_graph")
    return graph.get_tensor_by_name(f"{name}:0")
