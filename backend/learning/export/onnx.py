"""ONNX: one .onnx file, opened by ONNX Runtime and most inference servers."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.export.format import ExportFormat, Runner

if TYPE_CHECKING:
    import keras


def write(model: keras.Model, path: Path) -> None:
    """Convert through tf2onnx; the batch size stays free."""
    _require("tf2onnx")
    from backend.frameworks import keras

    signature = [keras.InputSpec(shape=model.input_shape, dtype="uint8", name="images")]
    with warnings.catch_warnings():
        # Keras looks for a name that NumPy deprecates; whoever exports can do nothing about it.
        warnings.filterwarnings("ignore", message=r".*np\.object", category=FutureWarning)
        model.export(str(path), format="onnx", input_signature=signature, verbose=False)


def load(path: Path) -> Runner:
    """Open it with ONNX Runtime on the CPU."""
    _require("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {source: images})[0], dtype=np.float32)

    return run


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise BackendError(
            f"Exporting to onnx needs the package {package}: install this backend with its extra `onnx`",
            reason="export_unavailable",
        )


FORMAT = ExportFormat("onnx", "model.onnx", "ONNX Runtime", write, load)
