"""A fine-tuned backbone: its own id, its own embeddings, and faults that name the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.errors import WeightsError
from backend.features import BACKBONES, Backbone, backbone_id, build_tuned, choose_backbone, open_backbone
from backend.features.tuned import BackboneName, parse_backbone_id

pytestmark = pytest.mark.unit

NAME = "efficientnet_lite0"


@pytest.fixture(scope="module")
def base_weights(models_dir: Path) -> tuple[Path, ...]:
    return choose_backbone(NAME, models_dir=models_dir).weights


@pytest.fixture(scope="module")
def tuned_weights(tmp_path_factory: pytest.TempPathFactory, base_weights: tuple[Path, ...]) -> Path:
    """The weights of a body whose last convolution was scaled: its activations before ReLU6 differ."""
    body = build_tuned(BACKBONES[NAME], base_weights, None).body
    layer = body.get_layer("_conv_head")
    layer.set_weights([0.5 * array for array in layer.get_weights()])
    path = tmp_path_factory.mktemp("tuned") / "body.weights.h5"
    body.save_weights(path)
    return path


@pytest.fixture(scope="module")
def tuned(models_dir: Path, tuned_weights: Path) -> Backbone:
    return open_backbone(NAME, models_dir=models_dir, tuned=tuned_weights)


def test_its_id_covers_both_files(
    tuned: Backbone, base_weights: tuple[Path, ...], tuned_weights: Path, models_dir: Path
) -> None:
    spec = BACKBONES[NAME]
    assert tuned.id == backbone_id(spec, base_weights, tuned_weights) == f"{NAME}-tuned-{tuned.digest[:8]}"
    assert parse_backbone_id(tuned.id) == BackboneName(NAME, tuned=True)
    base = open_backbone(NAME, models_dir=models_dir)
    assert parse_backbone_id(base.id) == BackboneName(NAME, tuned=False)
    assert backbone_id(spec, base_weights) == base.id
    assert backbone_id(spec, (tuned_weights,), tuned_weights) != tuned.id


def test_it_embeds_as_its_body_does_and_keeps_the_imagenet_layer(
    tuned: Backbone, base_weights: tuple[Path, ...], tuned_weights: Path, models_dir: Path
) -> None:
    spec = tuned.spec
    images = np.random.default_rng(0).integers(0, 255, (3, spec.input_size, spec.input_size, 3), dtype=np.uint8)
    network = build_tuned(spec, base_weights, tuned_weights)
    expected = network.body.predict((images.astype(np.float32) - spec.mean) / spec.scale, verbose=0)
    embeddings = tuned.embed(images)
    np.testing.assert_allclose(embeddings, expected, atol=5e-3)
    base = open_backbone(NAME, models_dir=models_dir)
    assert np.abs(embeddings.astype(np.float32) - base.embed(images)).max() > 0.1
    np.testing.assert_array_equal(tuned.imagenet_logits(embeddings), base.imagenet_logits(embeddings))


@pytest.mark.parametrize("fault", ["damaged", "foreign", "gone"])
def test_a_file_that_does_not_fit_is_named(
    fault: str, tmp_path: Path, models_dir: Path, base_weights: tuple[Path, ...], tuned_weights: Path
) -> None:
    path = tmp_path / f"{fault}.weights.h5"
    if fault == "damaged":
        path.write_bytes(tuned_weights.read_bytes()[:100_000])
    if fault == "foreign":
        other = "efficientnet_lite1"
        weights = choose_backbone(other, models_dir=models_dir).weights
        build_tuned(BACKBONES[other], weights, None).body.save_weights(path)
    with pytest.raises(WeightsError, match=f"{fault}.weights.h5"):
        open_backbone(NAME, models_dir=tmp_path / "models", tuned=path)
    assert not list(tmp_path.glob("models/efficientnet*"))


@pytest.mark.parametrize("text", ["", "efficientnet_lite0", "../efficientnet_lite0-12345678", "a-tuned-1234567g"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="is no id of a backbone"):
        parse_backbone_id(text)
