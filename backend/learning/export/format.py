"""What an export format has to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Runner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class ExportFormat:
    """An entry of the registry.

    `write(model, path)` writes the Keras classifier to `path`, a file or a folder named `file_name`;
    `load(path)` opens it with the runtime the format is meant for and returns a function from uint8 RGB images
    [n, h, w, 3] to probabilities float32 [n, L]. Both raise BackendError (reason `export_unavailable`) when a package
    they need is not installed.
    """

    name: str
    file_name: str
    runtime: str  # what runs it, for the model card
    write: Callable[[keras.Model, Path], None]
    load: Callable[[Path], Runner]
