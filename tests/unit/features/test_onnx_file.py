"""A backbone that is an ONNX file: what it computes, and what is said of files that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import QuantisationError, WeightsError
from backend.features import choose_backbone, open_backbone
from tests.unit.features.own_network import GRID, SIZE, WIDTH, embedding_of, write_network

pytestmark = pytest.mark.unit


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "our_network.onnx")


def images(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


def test_it_embeds_as_its_file_says(network: Path, tmp_path: Path) -> None:
    backbone = open_backbone(str(network), models_dir=tmp_path / "models")
    assert (backbone.spec.name, backbone.spec.embedding_dim, backbone.has_imagenet_layer) == (
        "our_network",
        WIDTH,
        False,
    )
    pictures = images()
    expected = np.stack([embedding_of(picture) for picture in pictures])
    np.testing.assert_allclose(backbone.embed(pictures).astype(np.float32), expected, atol=2e-3, rtol=2e-3)
    with pytest.raises(WeightsError, match="no ImageNet layer"):
        backbone.imagenet_logits(backbone.embed(pictures))


def test_an_inner_tensor_may_be_the_embedding(tmp_path: Path) -> None:
    path = write_network(tmp_path / "cut.onnx", output="positive")
    backbone = open_backbone(str(path), models_dir=tmp_path / "models")
    (picture,) = images(1)
    np.testing.assert_allclose(backbone.embed(picture[None])[0], embedding_of(picture)[3 * GRID * GRID :], atol=2e-3)


def test_its_imagenet_layer_speaks(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(WIDTH, 1000)).astype(np.float32), rng.normal(size=1000).astype(np.float32)
    np.savez(tmp_path / "layer.npz", kernel=kernel, bias=bias)
    path = write_network(tmp_path / "with_layer.onnx", imagenet_layer="layer.npz")
    backbone = open_backbone(str(path), models_dir=tmp_path / "models")
    embeddings = backbone.embed(images())
    np.testing.assert_allclose(
        backbone.imagenet_logits(embeddings), embeddings.astype(np.float32) @ kernel + bias, rtol=1e-5
    )
    np.savez(tmp_path / "layer.npz", kernel=kernel[:5], bias=bias)
    with pytest.raises(WeightsError, match=rf"layer\.npz: kernel must be \[{WIDTH}, 1000\]"):
        choose_backbone(str(path), models_dir=tmp_path / "models")


def test_its_id_changes_with_every_file(network: Path, tmp_path: Path) -> None:
    first = open_backbone(str(network), models_dir=tmp_path / "models").id
    assert first.startswith("our_network-")
    assert open_backbone(str(network), models_dir=tmp_path / "models").id == first
    write_network(network, fit="squash")
    assert open_backbone(str(network), models_dir=tmp_path / "models").id != first


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"input_sise": 64}, r"our_network\.json: input_sise: Extra inputs"),
        ({"input_size": 3}, r"our_network\.json: input_size"),
        ({"scale": 0}, "scale: must not be 0"),
        ({"output": "nothing"}, "has no tensor 'nothing'; its outputs: embedding"),
        ({"output": "map"}, "has the shape .*not that of an embedding"),
        ({"imagenet_layer": "gone.npz"}, r"gone\.npz is missing"),
    ],
)
def test_numbers_that_do_not_fit_are_named(network: Path, numbers: dict[str, object], message: str) -> None:
    write_network(network, **numbers)
    with pytest.raises(WeightsError, match=message):
        choose_backbone(str(network), models_dir=network.parent)


def test_files_that_do_not_fit_are_named(network: Path) -> None:
    models = network.parent / "models"
    with pytest.raises(WeightsError, match=r"no ONNX file .*gone\.onnx"):
        choose_backbone(str(network.with_stem("gone")), models_dir=models)
    with pytest.raises(WeightsError, match="small letters"):
        choose_backbone(str(write_network(network.with_stem("Our-Network"))), models_dir=models)
    with pytest.raises(WeightsError, match="is called efficientnet_lite0 already"):
        choose_backbone(str(write_network(network.with_stem("efficientnet_lite0"))), models_dir=models)
    with pytest.raises(WeightsError, match="not that of an embedding"):
        choose_backbone(str(write_network(network.with_stem("map"), pooled=False)), models_dir=models)
    with pytest.raises(QuantisationError, match="fp32"):
        open_backbone(str(network), models_dir=models, precision="int8")
    network.write_bytes(b"no network")
    with pytest.raises(WeightsError, match="cannot be read as ONNX"):
        choose_backbone(str(network), models_dir=models)
    network.with_suffix(".json").write_text(json.dumps([]))
    with pytest.raises(WeightsError, match=r"our_network\.json"):
        choose_backbone(str(network), models_dir=models)
    network.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"our_network\.json is missing"):
        choose_backbone(str(network), models_dir=models)
