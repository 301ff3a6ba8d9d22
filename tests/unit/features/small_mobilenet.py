"""The smallest network of the registry with random but lively weights: it is converted, and learns, in seconds."""

from __future__ import annotations

from pathlib import Path

import keras
from keras.src.legacy.saving import legacy_h5_format

from tests.unit.features.conftest import randomise

NAME = "mobilenet_0.25_128"


def write_small_mobilenet(models_dir: Path) -> str:
    """Put its weights where `open_backbone` finds them; the name of the backbone."""
    import h5py

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNet((128, 128, 3), 0.25, weights=None, classes=1000)
    randomise(model)
    folder = models_dir / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "mobilenet_2_5_128_tf.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return NAME
