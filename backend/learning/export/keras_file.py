"""Keras: one .keras archive, opened by `keras.saving.load_model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.learning.export.format import ExportFormat, Runner

if TYPE_CHECKING:
    import keras


def write(model: keras.Model, path: Path) -> None:
    """Save architecture and weights."""
    model.save(path)


def load(path: Path) -> Runner:
    """Open it in safe mode: no code stored in the archive is run."""
    from backend.frameworks import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(model.predict(images, verbose=0), dtype=np.float32)

    return run


FORMAT = ExportFormat("keras", "model.keras", "keras.saving.load_model (Keras 3)", write, load)
