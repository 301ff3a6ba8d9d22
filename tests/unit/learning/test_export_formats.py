from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import BackendError
from backend.learning.export import FORMATS, ExportBackbone, export_classifier
from backend.learning.export.bundle import sample_images
from backend.learning.head_inference import Head, HeadLayers
from backend.learning.transform import FeatureTransform

pytestmark = [pytest.mark.unit, pytest.mark.long]

LABELS = ["archery", "climbing, indoor", "Fußball", "other"]
DIM = 8


@pytest.fixture(scope="module")
def backbone() -> ExportBackbone:
    """A small convolutional network whose layer names start with an underscore, as those of EfficientNet-Lite do."""
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(DIM, 3, strides=2, padding="same", name="_conv")(image)
    x = keras.layers.BatchNormalization(name="_norm")(x)
    x = keras.layers.ReLU(6.0)(x)
    body = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    return ExportBackbone("small-00000000", body, 32, 127.0, 128.0, "squash")


def some_head(variant: str) -> Head:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    annotated = np.array([True, True, True, variant == "mlp"])
    outputs = int(annotated.sum())
    layers = {
        "linear": lambda: HeadLayers(draw(6, outputs) * 4, draw(outputs)),
        "mlp": lambda: HeadLayers(draw(5, outputs), draw(outputs), draw(6, 5) * 4, draw(5)),
        "multiple": lambda: HeadLayers(draw(DIM, outputs) * 4, draw(outputs)),
    }[variant]()
    return Head(
        kind="mlp" if variant == "mlp" else "linear",
        transform=FeatureTransform(draw(DIM) * 0.1, None if variant == "multiple" else draw(DIM, 6)),
        layers=layers.spread(annotated),
        annotated=annotated,
        mean_prior=np.array([0.2, 0.3, 0.25, 0.25], dtype=np.float32),
        multiple=variant == "multiple",
        temperature=0.7,
        report={"annotations": 3},
    )


@pytest.mark.parametrize("variant", ["linear", "mlp", "multiple"])
@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_gives_the_probabilities_of_the_server(
    tmp_path: Path, backbone: ExportBackbone, name: str, variant: str
) -> None:
    head = some_head(variant)
    target = tmp_path / "exported"
    report = export_classifier(target, name, backbone, head, LABELS, card={"version": "v7"})
    assert report.largest_difference <= 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
    assert (target / "labels.txt").read_text(encoding="utf-8").splitlines() == LABELS
    card = json.loads((target / "model_card.json").read_text(encoding="utf-8"))
    assert card["version"] == "v7"
    assert card["input"]["dtype"] == "uint8"
    assert card["labels_without_annotations"] == ([] if variant == "mlp" else ["other"])
    # Loaded again, on other images, one more and one fewer than were compared at export.
    images = sample_images(32, 5, seed=3)
    run = FORMATS[name].load(report.model)
    normalised = (images.astype(np.float32) - 127) / 128
    expected = head.predict(np.asarray(backbone.body.predict(normalised, verbose=0)).astype(np.float16))
    assert expected.std(axis=0).max() > 0.01  # the images do differ
    np.testing.assert_allclose(run(images), expected, atol=1e-3)
    np.testing.assert_allclose(run(images[:1]), expected[:1], atol=1e-3)


def test_a_model_that_differs_is_not_written(tmp_path: Path, backbone: ExportBackbone) -> None:
    images = sample_images(32, 2)
    with pytest.raises(BackendError, match="differs from the server's probabilities by") as differs:
        export_classifier(
            tmp_path / "exported",
            "keras",
            backbone,
            some_head("linear"),
            LABELS,
            images=images,
            expected=np.full((2, 4), 0.25, dtype=np.float32),
        )
    assert differs.value.reason == "export_differs"
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_names_the_known_ones(tmp_path: Path, backbone: ExportBackbone) -> None:
    with pytest.raises(BackendError, match="'pt'; known: keras, savedmodel, tflite, onnx, openvino"):
        export_classifier(tmp_path / "exported", "pt", backbone, some_head("linear"), LABELS)


def test_refuses_labels_and_heads_that_do_not_fit(tmp_path: Path, backbone: ExportBackbone) -> None:
    head = some_head("linear")
    with pytest.raises(ValueError, match="2 labels, but the head has 4"):
        export_classifier(tmp_path / "exported", "keras", backbone, head, LABELS[:2])
    with pytest.raises(ValueError, match="line break"):
        export_classifier(tmp_path / "exported", "keras", backbone, head, ["a", "b", "c", "d\ne"])
    other = Head(**{**vars(head), "transform": FeatureTransform(np.zeros(5, dtype=np.float32))})
    with pytest.raises(ValueError, match="embeddings of length 5"):
        export_classifier(tmp_path / "exported", "keras", backbone, other, LABELS)


@pytest.mark.parametrize("name", list(FORMATS))
def test_networks_side_by_side_are_normalised_in_the_exported_model_too(tmp_path: Path, name: str) -> None:
    """Two small networks, one of which sees a smaller picture: the model does what `normalise_parts` does."""
    import keras

    from backend.features.normalise import normalise_parts

    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 3))
    outputs = []
    for number, (size, width) in enumerate(((32, 5), (24, 3))):
        own = keras.Input((size, size, 3))
        pooled = keras.layers.Conv2D(width, 3, strides=2, activation="relu", name="_conv")(own)
        network = keras.Model(own, keras.layers.GlobalAveragePooling2D()(pooled), name=f"network{number}")
        outputs.append(network(image if size == 32 else keras.layers.Resizing(size, size)(image)))
    body = keras.Model(image, keras.layers.Concatenate()(outputs))
    several = ExportBackbone("two-00000000", body, 32, 127.0, 128.0, "squash", (5, 3))
    head = some_head("linear")
    images = sample_images(32, 4, seed=2)
    embeddings = np.asarray(body.predict((images.astype(np.float32) - 127) / 128, verbose=0))
    expected = head.predict(normalise_parts(embeddings, (5, 3)))
    report = export_classifier(tmp_path / name, name, several, head, LABELS, images=images, expected=expected)
    assert report.largest_difference <= 1e-3
    assert expected.std(axis=0).max() > 0.01
