from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import BackendError
from backend.features.normalise import normalise_parts
from backend.learning.export import ExportBackbone
from backend.learning.fine_tune import FineTuneOptions, fine_tune, split_body
from backend.learning.head import train_head

pytestmark = pytest.mark.unit


def small_body(size: int = 16) -> Any:
    """Three convolutions, the last two bridged by a shortcut."""
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="first")(image)
    y = keras.layers.Conv2D(8, 3, padding="same", name="second")(x)
    y = keras.layers.BatchNormalization(name="norm")(y)
    y = keras.layers.ReLU()(y)
    y = keras.layers.Conv2D(8, 3, padding="same", name="third")(y)
    x = keras.layers.Add()([x, y])
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


def test_split_respects_shortcuts_and_joins_to_the_same_result() -> None:
    body = small_body()
    trunk, tail = split_body(body, 1)
    # One convolution from the end lies within the shortcut: the cut is where the shortcut starts.
    assert {"second", "third"} <= {layer.name for layer in tail.layers}
    assert "first" not in {layer.name for layer in tail.layers}
    images = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(tail(trunk(images)), body(images), atol=1e-6)
    whole = split_body(small_body(), 9)[1]
    assert {"first", "second", "third"} <= {layer.name for layer in whole.layers}


def weights_of(body: Any) -> list[np.ndarray]:
    return [np.array(array) for array in body.get_weights()]


def test_only_the_end_learns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = rng.integers(0, 256, (48, 16, 16, 3), dtype=np.uint8)
    images[labels == 1, ::2] //= 3  # stripes
    labels[rng.random(48) < 0.25] ^= 1  # mistakes, so that the head alone cannot be right everywhere
    targets = np.eye(2, dtype=np.float32)[labels]
    body = small_body()
    backbone = ExportBackbone("small-0", body, 16, 127.0, 128.0, "squash")
    embeddings = body.predict((images.astype(np.float32) - 127) / 128, verbose=0)
    head = train_head(embeddings, targets)
    before = {layer.name: [w.copy() for w in layer.get_weights()] for layer in body.layers}
    seen: list[float] = []
    options = FineTuneOptions(convolutions=1, epochs=4, learning_rate=1e-2)
    batches = ((images[start : start + 10], targets[start : start + 10]) for start in range(0, 48, 10))
    tuned = fine_tune(backbone, batches, 48, head, tmp_path, options, progress=lambda part, message: seen.append(part))
    after = {layer.name: layer.get_weights() for layer in body.layers}
    assert np.array_equal(before["first"][0], after["first"][0])
    assert all(np.array_equal(a, b) for a, b in zip(before["norm"], after["norm"], strict=True))
    assert not np.array_equal(before["third"][0], after["third"][0])
    assert tuned.photos == 48
    assert tuned.losses[-1] < tuned.losses[0]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert not list(tmp_path.iterdir())
    body.save_weights(tmp_path / "body.weights.h5")
    restored = small_body()
    restored.load_weights(tmp_path / "body.weights.h5")
    for one, other in zip(weights_of(restored), weights_of(body), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def few() -> tuple[ExportBackbone, Any, np.ndarray, np.ndarray]:
    """A backbone, a head, and six images with their targets."""
    embeddings = np.random.default_rng(0).normal(size=(6, 8))
    targets = np.eye(2, dtype=np.float32)[np.arange(6) % 2]
    backbone = ExportBackbone("small-0", small_body(), 16, 127.0, 128.0, "squash")
    return backbone, train_head(embeddings, targets), np.zeros((6, 16, 16, 3), dtype=np.uint8), targets


def test_images_that_are_missing_cost_only_themselves(
    tmp_path: Path, few: tuple[ExportBackbone, Any, np.ndarray, np.ndarray]
) -> None:
    backbone, head, images, targets = few
    tuned = fine_tune(backbone, [(images[:4], targets[:4])], 6, head, tmp_path, FineTuneOptions(epochs=1))
    assert tuned.photos == 4


def test_images_and_targets_that_do_not_fit(
    tmp_path: Path, few: tuple[ExportBackbone, Any, np.ndarray, np.ndarray]
) -> None:
    backbone, head, images, targets = few
    with pytest.raises(BackendError, match="None of the annotated photos"):
        fine_tune(backbone, [], 4, head, tmp_path)
    with pytest.raises(ValueError, match="6 images after 0 of 4"):
        fine_tune(backbone, [(images, targets)], 4, head, tmp_path)
    with pytest.raises(ValueError, match="for 2 labels"):
        fine_tune(backbone, [(images, targets[:, :1])], 6, head, tmp_path)


def two_networks() -> Any:
    import keras

    image = keras.Input((16, 16, 3))
    outputs = []
    for number in range(2):
        network = small_body(12 if number else 16)
        network.name = f"network{number}"
        outputs.append(network(keras.layers.Resizing(12, 12)(image) if number else image))
    return keras.Model(image, keras.layers.Concatenate()(outputs))


def test_each_of_several_networks_learns_at_its_end(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = rng.integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
    images[labels == 1, ::2] //= 3
    targets = np.eye(2, dtype=np.float32)[labels]
    body = two_networks()
    pixels = (images.astype(np.float32) - 127) / 128
    trunk, tail = split_body(body, 1)
    ended = tail(trunk(pixels, training=False), training=False)
    np.testing.assert_allclose(ended, body(pixels, training=False), atol=1e-5)
    embeddings = np.asarray(body.predict(pixels, verbose=0))
    head = train_head(normalise_parts(embeddings, (8, 8)), targets)
    before = {f"{n.name}.{la.name}": la.get_weights() for n in networks_of(body) for la in n.layers}
    backbone = ExportBackbone("two-0", body, 16, 127.0, 128.0, "squash", (8, 8))
    options = FineTuneOptions(convolutions=1, epochs=3, learning_rate=1e-2)
    tuned = fine_tune(backbone, [(images, targets)], 32, head, tmp_path, options)
    after = {f"{n.name}.{la.name}": la.get_weights() for n in networks_of(body) for la in n.layers}
    changed = {
        name for name in before if any(not np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True))
    }
    assert changed == {f"network{number}.{layer}" for number in range(2) for layer in ("second", "third")}
    assert tuned.losses[-1] < tuned.losses[0]


def networks_of(body: Any) -> list[Any]:
    import keras

    return [layer for layer in body.layers if isinstance(layer, keras.Model)]
