"""OpenVINO IR: a folder with model.xml (graph) and model.bin (weights)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.export.format import ExportFormat, Runner
from backend.learning.export.freezing import frozen_graph

if TYPE_CHECKING:
    import keras

GRAPH_FILE = "model.xml"


def write(model: keras.Model, path: Path) -> None:
    """Convert the frozen graph with OpenVINO's own reader; weights stay in float32."""
    from backend.frameworks import tf

    openvino = _import_openvino()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "frozen.pb"
        frozen = frozen_graph(lambda pixels: model(pixels, training=False), model.input_shape, tf.uint8, "images")
        source.write_bytes(frozen.SerializeToString())
        graph = openvino.Core().read_model(source)
        graph.inputs[0].tensor.set_names({"images"})
        graph.outputs[0].tensor.set_names({"probabilities"})
        path.mkdir(parents=True, exist_ok=True)
        openvino.serialize(graph, path / GRAPH_FILE)


def load(path: Path) -> Runner:
    """Compile it for the CPU in full precision; `path` is the folder, or an .xml file with its .bin beside it."""
    openvino = _import_openvino()
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(path / GRAPH_FILE if path.is_dir() else path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(compiled(images)[0], dtype=np.float32)

    return run


def _import_openvino() -> Any:
    """The `openvino` module; its telemetry package, which reports at import, counts as not installed."""
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # makes `import` raise ImportError
    import openvino

    return openvino


FORMAT = ExportFormat("openvino", "openvino", "OpenVINO Runtime", write, load)
