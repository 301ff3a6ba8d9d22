"""TensorFlow 1's frozen graph: one .pb file, for programs that call `tf.compat.v1.import_graph_def`.

Its tensors have the names of TensorFlow for Poets: `input` takes normalised float32 RGB [n, size, size, 3], that is
(pixel - mean) / std, and `final_result` gives the probabilities. The constants `input_mean` and `input_std` say how
pixels are normalised.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.export.format import ExportFormat, Runner
from backend.learning.export.freezing import frozen_graph

if TYPE_CHECKING:
    import keras

INPUT = "input"
OUTPUT = "final_result"
MEAN = "input_mean"
STD = "input_std"


def write(model: keras.Model, path: Path) -> None:
    """Freeze what follows the model's normalisation."""
    from backend.frameworks import keras, tf

    normalise = model.get_layer("normalise")
    std = 1 / float(normalise.scale)
    mean = -float(normalise.offset) * std
    rest = keras.Model(normalise.output, model.output)
    height, width, channels = model.input_shape[1:]

    def forward(pixels: Any) -> Any:
        return tf.identity(rest(pixels, training=False), name=OUTPUT)

    graph = frozen_graph(forward, (None, height, width, channels), tf.float32, INPUT)
    for name, value in ((MEAN, mean), (STD, std)):
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(value)))
    path.write_bytes(graph.SerializeToString())


def load(path: Path) -> Runner:
    """Open it as TensorFlow 1 did; raw pixels are normalised by the constants in it."""
    from backend.frameworks import tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=graph)
    mean, std = session.run([f"{MEAN}:0", f"{STD}:0"])

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = (images.astype(np.float32) - mean) / std
        return np.asarray(session.run(f"{OUTPUT}:0", {f"{INPUT}:0": pixels}), dtype=np.float32)

    return run


FORMAT = ExportFormat("frozen", "retrained_graph.pb", "tf.compat.v1.import_graph_def", write, load)
