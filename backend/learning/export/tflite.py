"""TensorFlow Lite (LiteRT): one .tflite file for phones and small computers; one image at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.learning.export.format import ExportFormat, Runner

if TYPE_CHECKING:
    import keras


def write(model: keras.Model, path: Path) -> None:
    """Convert in float32, with a batch of one: delegates on devices want fixed shapes."""
    from backend.frameworks import keras

    height, width, channels = model.input_shape[1:]
    signature = [keras.InputSpec(shape=(1, height, width, channels), dtype="uint8", name="images")]
    model.export(str(path), format="litert", input_signature=signature, verbose=False)


def write_int8(model: keras.Model, path: Path, images: NDArray[np.uint8]) -> None:
    """Convert to int8 weights and activations, with the ranges of `images` [n, h, w, 3]: a quarter of the size."""
    import tempfile

    from backend.frameworks import tf
    from backend.learning.export import saved_model

    def representative() -> Iterator[list[NDArray[np.uint8]]]:
        for image in images:
            yield [image[None]]

    with tempfile.TemporaryDirectory() as folder:
        saved_model.write(model, Path(folder) / "model")
        converter = tf.lite.TFLiteConverter.from_saved_model(str(Path(folder) / "model"))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        path.write_bytes(converter.convert())


def load(path: Path) -> Runner:
    """Open it with the interpreter that ships with TensorFlow."""
    from backend.frameworks import tf

    with warnings.catch_warnings():
        # It announces a successor, a package of its own, which people who only ask a model cannot do anything about.
        warnings.filterwarnings("ignore", message="(?s).*tf.lite.Interpreter is deprecated")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    sink = interpreter.get_output_details()[0]["index"]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = []
        for image in images:
            interpreter.set_tensor(source, image[None])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(sink)[0])
        return np.asarray(rows, dtype=np.float32)

    return run


FORMAT = ExportFormat("tflite", "model.tflite", "LiteRT (TensorFlow Lite), one image at a time", write, load)
