"""What we run agrees with what Keras itself computes from the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import WeightsError
from backend.features import BACKBONES, Backbone, build_tuned, choose_backbone, open_backbone
from tests.unit.features.conftest import pictures, randomise

pytestmark = [pytest.mark.unit, pytest.mark.long]


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def exact_embeddings(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    """Embeddings before they are rounded to float16."""
    found: dict[int, np.ndarray] = {}
    with backbone.session() as session:
        for row, image in enumerate(images):
            session.submit(row, image)
        found.update(session.drain())
    return np.stack([found[row] for row in range(len(images))])


@pytest.fixture(scope="module")
def keras_inception(inception_weights: Path) -> Any:
    import keras

    model = keras.applications.InceptionV3(weights=None)
    model.load_weights(inception_weights)
    return model


def test_inception_v3_from_a_weights_file_matches_keras(
    keras_inception: Any, inception_weights: Path, models_dir: Path
) -> None:
    import keras

    images = pictures(299, 4)
    prepared = keras.applications.inception_v3.preprocess_input(images.astype(np.float32))
    pool = keras.Model(keras_inception.input, keras_inception.get_layer("avg_pool").output)
    expected = pool.predict(prepared, verbose=0)
    expected_probabilities = keras_inception.predict(prepared, verbose=0)
    assert expected.std() > 0.05  # the comparison means something
    assert expected_probabilities.max() > 0.01
    assert np.abs(expected_probabilities[0] - expected_probabilities[1]).max() > 1e-2

    auto = choose_backbone("auto", models_dir=models_dir, inception_weights=inception_weights)
    assert auto.spec.name == "inception_v3_lite012"
    for name in ("inception_v3",):
        backbone = open_backbone(name, models_dir=models_dir, inception_weights=inception_weights)
        assert backbone.id.startswith("inception_v3-")
        embeddings = exact_embeddings(backbone, images)
        np.testing.assert_allclose(embeddings, expected, atol=1e-3)
        np.testing.assert_allclose(softmax(backbone.imagenet_logits(embeddings)), expected_probabilities, atol=1e-3)
        np.testing.assert_array_equal(backbone.embed(images), embeddings.astype(np.float16))


def test_both_file_formats_of_keras_give_the_same_network(keras_inception: Any, tmp_path: Path) -> None:
    path = tmp_path / "inception.weights.h5"
    keras_inception.save_weights(path)
    network = BACKBONES["inception_v3"].networks[0].build_network(path)
    kernel, bias = keras_inception.get_layer("predictions").get_weights()
    np.testing.assert_array_equal(network.kernel, kernel)
    np.testing.assert_array_equal(network.bias, bias)
    for ours, theirs in zip(network.body.weights, keras_inception.weights, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert len(network.body.weights) == len(keras_inception.weights) - 2


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.h5"
    garbage.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    with pytest.raises(WeightsError, match=r"garbage\.h5 cannot be loaded into inception_v3"):
        open_backbone("inception_v3", models_dir=tmp_path, inception_weights=garbage)


def test_weights_of_another_network_or_without_its_classifier_are_refused(tmp_path: Path) -> None:
    import keras

    other = tmp_path / "other.weights.h5"
    keras.applications.MobileNet((128, 128, 3), alpha=0.5, weights=None).save_weights(other)
    without_classifier = tmp_path / "notop.weights.h5"
    keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None, include_top=False).save_weights(
        without_classifier
    )
    for path in (other, without_classifier, tmp_path):
        with pytest.raises(WeightsError, match="classifier included"):
            BACKBONES["mobilenet_0.25_128"].networks[0].build_network(path)


def test_a_file_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    import h5py
    import keras

    path = tmp_path / "partial.weights.h5"
    keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None).save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/depthwise_conv2d_5"]
    with pytest.raises(WeightsError, match=r"partial\.weights\.h5 cannot be loaded"):
        BACKBONES["mobilenet_0.25_128"].networks[0].build_network(path)


def test_mobilenet_matches_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    model = keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None)
    randomise(model)
    weights = tmp_path / "weights" / "mobilenet_2_5_128_tf.h5"
    weights.parent.mkdir()
    with h5py.File(weights, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    images = pictures(128, 4)
    expected = model.predict(keras.applications.mobilenet.preprocess_input(images.astype(np.float32)), verbose=0)
    assert np.ptp(expected) > 1e-3

    backbone = open_backbone("mobilenet_0.25_128", models_dir=tmp_path, download=False)
    embeddings = exact_embeddings(backbone, images)
    assert embeddings.shape == (4, 256)
    np.testing.assert_allclose(softmax(backbone.imagenet_logits(embeddings)), expected, atol=1e-3)


def test_tensorflow_and_openvino_give_the_same_embeddings(lite2: Backbone, models_dir: Path) -> None:
    other = open_backbone("efficientnet_lite2", models_dir=models_dir, engine="tensorflow")
    assert other.engine.startswith("TensorFlow")
    assert lite2.engine.startswith("OpenVINO")
    assert other.id == lite2.id
    images = pictures(260, 5)
    embeddings = exact_embeddings(lite2, images)
    assert embeddings.std() > 0.05
    np.testing.assert_allclose(exact_embeddings(other, images), embeddings, atol=1e-3)
    np.testing.assert_allclose(
        np.concatenate(list(other.stream([images[:2], images[2:]]))), lite2.embed(images), atol=2e-3
    )


def test_logits_from_stored_embeddings_agree_with_the_whole_network(lite2: Backbone, models_dir: Path) -> None:
    import keras

    choice = choose_backbone("efficientnet_lite2", models_dir=models_dir)
    network = build_tuned(choice.spec, choice.weights, None)
    classifier = keras.layers.Dense(1000)
    whole = keras.Sequential([network.body, classifier])
    classifier.set_weights([network.kernel, network.bias])
    images = pictures(260, 5)
    expected = whole.predict((images.astype(np.float32) - 127) / 128, verbose=0)
    logits = lite2.imagenet_logits(lite2.embed(images))
    assert expected.std() > 0.5
    np.testing.assert_allclose(logits, expected, atol=0.02)
    np.testing.assert_allclose(softmax(logits), softmax(expected), atol=2e-3)
