"""TensorFlow SavedModel: a folder with one signature, for TensorFlow Serving and tf.saved_model.load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.learning.export.format import ExportFormat, Runner

if TYPE_CHECKING:
    import keras


def write(model: keras.Model, path: Path) -> None:
    """Export the forward pass; the batch size stays free."""
    model.export(path, format="tf_saved_model", verbose=False)


def load(path: Path) -> Runner:
    """Open it with TensorFlow alone."""
    from backend.frameworks import tf

    loaded = tf.saved_model.load(str(path))

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(loaded.serve(tf.constant(images)), dtype=np.float32)

    return run


FORMAT = ExportFormat("savedmodel", "saved_model", "tf.saved_model.load, TensorFlow Serving", write, load)
