from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.features import Backbone, open_backbone

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED_IMAGES = REPOSITORY / ".." / "shared" / "images"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One worker at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Compiled models, kept between runs and shared by the workers."""
    return REPOSITORY / ".cache" / "models"


@pytest.fixture(scope="session")
def lite2(models_dir: Path) -> Backbone:
    return open_backbone("efficientnet_lite2", models_dir=models_dir)


@pytest.fixture(scope="session")
def inception_weights() -> Path:
    """Inception v3 with random but lively weights, in the file format that Keras 2 published ImageNet weights in."""
    path = REPOSITORY / ".cache" / "test-weights" / "inception_v3_random.h5"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            import h5py
            import keras
            from keras.src.legacy.saving import legacy_h5_format

            model = keras.applications.InceptionV3(weights=None)
            randomise(model)
            spread_answers(model)
            temporary = path.with_suffix(".part")
            with h5py.File(temporary, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, model)
            temporary.rename(path)
    return path


def randomise(model: Any) -> None:
    """Weights under which activations keep their size, and the answer depends on the image."""
    random = np.random.default_rng(5)
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            layer.set_weights(
                [
                    random.normal(0, (2 / np.prod(w.shape[:3])) ** 0.5, w.shape) if w.ndim == 4 else w
                    for w in layer.get_weights()
                ]
            )
        elif kind == "BatchNormalization":
            *shifts, mean, variance = layer.get_weights()
            shifts[-1] = random.normal(0, 0.3, shifts[-1].shape)
            layer.set_weights([*shifts, random.normal(0, 0.3, mean.shape), random.uniform(0.5, 1.5, variance.shape)])


def pictures(size: int, n: int, seed: int = 3) -> np.ndarray:
    """Coarse patterns, uint8 [n, size, size, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 255, (n, 8, 8, 3))
    rows = np.linspace(0, 7, size).astype(int)
    return coarse[:, rows][:, :, rows].astype(np.uint8)


def spread_answers(model: Any) -> None:
    """A classifier that tells pictures apart, though random features of all pictures are much alike."""
    import keras

    pool = keras.Model(model.input, model.get_layer("avg_pool").output)
    pooled = pool.predict(pictures(299, 8, seed=11) / 127.5 - 1, verbose=0)
    kernel = np.random.default_rng(6).normal(0, 1, (pooled.shape[1], 1000))
    kernel *= 3 / ((pooled - pooled.mean(axis=0)) @ kernel).std()
    model.get_layer("predictions").set_weights([kernel, -pooled.mean(axis=0) @ kernel])
