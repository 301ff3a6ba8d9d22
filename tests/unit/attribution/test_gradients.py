from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.attribution import AttributedModel, HeadsOnBackbone, explain, grad_cam, integrated_gradients
from backend.attribution.explained import split_at_pools
from backend.attribution.gradients import deletion_curve
from backend.attribution.picture import Neighbour, picture_png
from backend.classifiers.explaining import open_keras_classifier
from backend.errors import BackendError
from backend.learning.export import ExportBackbone
from backend.retraining.outputs import Classifier, with_normalised_output, write_graph
from tests.unit.learning.test_export_formats import LABELS, backbone, some_head  # noqa: F401

pytestmark = pytest.mark.unit

SIZE = 32
PATCH = (slice(4, 12), slice(16, 26))


@pytest.fixture(scope="module")
def red_patch_model() -> AttributedModel:
    """Two labels; the second is likely where something is redder than it is green, wherever it lies."""
    import tensorflow as tf

    def before(pixels: Any) -> Any:
        redness = tf.nn.relu(pixels[..., :1] - pixels[..., 1:2])
        return tf.nn.avg_pool2d(redness, 4, 4, "VALID")

    def after(features: Any) -> Any:
        strength = tf.reduce_mean(features, axis=(1, 2)) * 40
        return tf.nn.softmax(tf.concat([tf.ones_like(strength) * 2, strength], axis=1))

    return AttributedModel(
        lambda pixels: after(before(pixels)), (lambda pixels: [before(pixels)], lambda parts: after(parts[0]))
    )


def picture() -> np.ndarray:
    """Grey noise with a red patch."""
    rng = np.random.default_rng(0)
    pixels = np.repeat(rng.uniform(0.2, 0.8, (SIZE, SIZE, 1)), 3, axis=2).astype(np.float32)
    pixels[PATCH] = (1.0, 0.0, 0.0)
    return pixels


def test_integrated_gradients_find_the_evidence_and_add_up(red_patch_model: AttributedModel) -> None:
    pixels = picture()
    found = integrated_gradients(red_patch_model, pixels, 1, np.zeros_like(pixels), steps=4)
    assert found.error <= 0.05
    assert found.values.sum() == pytest.approx(found.difference, rel=0.05)
    assert found.difference > 0.3
    inside = np.abs(found.values[PATCH]).sum()
    assert inside > 0.95 * np.abs(found.values).sum()


def test_more_steps_are_taken_where_few_do_not_do() -> None:
    import tensorflow as tf

    def steep(pixels: Any) -> Any:
        logit = 60 * (tf.reduce_mean(pixels, axis=(1, 2, 3)) - 0.37)
        return tf.stack([1 - tf.sigmoid(logit), tf.sigmoid(logit)], axis=1)

    pixels = np.full((4, 4, 3), 0.9, np.float32)
    found = integrated_gradients(AttributedModel(steep), pixels, 1, np.zeros_like(pixels), steps=1)
    assert found.steps > 1
    assert found.error <= 0.05
    assert grad_cam(AttributedModel(steep), pixels, 1) is None


def test_grad_cam_lights_up_the_evidence(red_patch_model: AttributedModel) -> None:
    found = grad_cam(red_patch_model, picture(), 1)
    assert found is not None
    assert found.shape == (8, 8)
    assert found.max() == pytest.approx(1)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert (y, x) in {(row, column) for row in (1, 2) for column in (4, 5)}
    assert found[5:].max() < 0.05


def test_deleting_by_the_map_beats_deleting_at_random(red_patch_model: AttributedModel) -> None:
    pixels = picture()
    empty = np.full_like(pixels, 0.5)
    importance = integrated_gradients(red_patch_model, pixels, 1, empty).values.sum(axis=2)

    def probability(pictures: np.ndarray) -> np.ndarray:
        return np.asarray(red_patch_model.probabilities(pictures))[:, 1]

    rng = np.random.default_rng(1)
    by_map = deletion_curve(probability, pixels, empty, importance).mean()
    at_random = [deletion_curve(probability, pixels, empty, rng.random((SIZE, SIZE))).mean() for _ in range(5)]
    assert by_map < min(at_random)
    inserted = deletion_curve(probability, empty, pixels, importance).mean()
    assert inserted > max(deletion_curve(probability, empty, pixels, rng.random((SIZE, SIZE))).mean() for _ in range(5))


def test_a_written_classifier_is_taken_apart(tmp_path: Path, backbone: ExportBackbone) -> None:  # noqa: F811
    head = some_head("mlp")
    write_graph(tmp_path / "m.keras", Classifier(with_normalised_output(backbone), head, LABELS), {})
    explained = open_keras_classifier(tmp_path / "m.keras")
    assert (explained.mean, explained.std) == (pytest.approx(127, abs=1e-3), pytest.approx(128, abs=1e-3))
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    pixels = (rgb.astype(np.float32) - 127) / 128
    probabilities = np.asarray(explained.model.probabilities(pixels[None]))[0]
    assert explained.model.split is not None
    before, after = explained.model.split
    np.testing.assert_allclose(np.asarray(after(before(pixels[None])))[0], probabilities, atol=1e-5)
    explanation = explain(explained, rgb, steps=8)
    assert explanation.label == probabilities.argmax()
    assert np.isfinite(explanation.gradients.values).all()
    assert explanation.cam is not None
    assert explanation.cam.shape == (16, 16)
    picture = picture_png(rgb, "a < b $x$", explanation, [Neighbour("x.jpg", "a$", 0.9, rgb)], "head-1")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
    write_graph(tmp_path / "m.pb", Classifier(backbone, some_head("mlp"), LABELS), {})
    with pytest.raises(BackendError, match=r"--output-graph x\.keras"):
        open_keras_classifier(tmp_path / "m.pb")


@pytest.mark.parametrize("variant", ["linear", "mlp", "multiple"])
def test_a_head_of_the_same_form_takes_the_place_of_the_last(backbone: ExportBackbone, variant: str) -> None:  # noqa: F811
    heads = HeadsOnBackbone(backbone, fit="squash", crop=1.0)
    pixels = np.random.default_rng(3).normal(size=(2, 32, 32, 3)).astype(np.float32)
    embeddings = np.asarray(backbone.body(pixels))
    first = some_head(variant)
    second = replace(first, layers=replace(first.layers, kernel=-first.layers.kernel, bias=first.layers.bias + 1))
    warmer = replace(second, temperature=2.0)
    fewer = replace(first, annotated=np.array([True, True, False, False]))
    elsewhere = replace(second, transform=replace(first.transform, mean=first.transform.mean + 1))
    compiled = []
    for number, head in enumerate((first, second, warmer, fewer, elsewhere, first)):
        explained = heads.explained(head, f"v{number}", LABELS)
        seen = explained.model.look(pixels, None)
        np.testing.assert_allclose(seen.probabilities, head.predict(embeddings), atol=1e-5)
        assert explained.name == f"v{number}"
        compiled.append(explained.model)
    assert compiled[0] is compiled[1] is compiled[2]  # to compile takes seconds
    assert compiled[3] is not compiled[2]


def test_networks_side_by_side_are_taken_apart() -> None:
    import keras

    def network(side: int, filters: int) -> Any:
        picture = keras.Input((side, side, 3))
        features = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(picture)
        return keras.Model(picture, keras.layers.GlobalAveragePooling2D()(features))

    image = keras.Input((16, 16, 3))
    parts = [network(16, 4), network(8, 3)]
    small = keras.layers.Resizing(8, 8)(image)
    body = keras.Model(image, keras.layers.Concatenate()([parts[0](image), parts[1](small)]))
    head = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2, activation="softmax")])
    split = split_at_pools(body, head)
    pixels = np.random.default_rng(0).random((1, 16, 16, 3)).astype(np.float32)
    before, after = split
    assert [tuple(part.shape) for part in before(pixels)] == [(1, 8, 8, 4), (1, 4, 4, 3)]
    np.testing.assert_allclose(np.asarray(after(before(pixels))), np.asarray(head(body(pixels))), atol=1e-6)
    cam = grad_cam(AttributedModel(lambda given: head(body(given)), split), pixels[0], 1)
    assert cam is not None
    assert cam.shape == (8, 8)
