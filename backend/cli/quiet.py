"""TensorFlow's own log, which would drown what a command says."""

from __future__ import annotations

import os

from backend.features.tensorflow_runner import GPU_DEVICE_FILES


def quiet_tensorflow() -> None:
    """Let TensorFlow log fatal errors only, and not look for a GPU where none can be. Call it before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not any(path.exists() for path in GPU_DEVICE_FILES):
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
