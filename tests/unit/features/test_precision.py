"""int8: what it is calibrated on, what it is checked by, and what happens where it cannot be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.errors import QuantisationError
from backend.features import BACKBONES, backbone_id, choose_backbone
from backend.features import selection as selecting
from backend.features.quantise import least_cosine, quantise, sample_crops, sample_photos

pytestmark = pytest.mark.unit


def small_model(depth: int = 3) -> object:
    """uint8 [1, 32, 32, 3] to float32 [1, 16]: convolutions with random weights, the first at half resolution."""
    from backend.features.openvino_import import import_openvino

    ov = import_openvino()
    ops = ov.opset13
    random = np.random.default_rng(0)
    image = ops.parameter([1, 32, 32, 3], np.uint8, name="image")
    x = ops.transpose(ops.convert(image, "f32"), np.array([0, 3, 1, 2]))
    x = ops.divide(ops.subtract(x, np.float32(127)), np.float32(128))
    channels = 3
    for layer in range(depth):
        kernel = random.normal(0, (2 / (9 * channels)) ** 0.5, (16, channels, 3, 3)).astype(np.float32)
        x = ops.clamp(ops.convolution(x, kernel, [2 if layer < 2 else 1] * 2, [1, 1], [1, 1], [1, 1]), 0.0, 6.0)
        channels = 16
    return ov.Model([ops.reduce_mean(x, np.array([2, 3]))], [image], "small")


def test_crops_come_from_several_photos_and_are_the_same_each_time() -> None:
    assert len(sample_photos()) >= 10
    crops = sample_crops(64, 20)
    assert (crops.shape, crops.dtype) == ((20, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(crops, sample_crops(64, 20))
    assert len({crop.mean().round(3) for crop in crops}) == 20


def test_the_worst_network_decides() -> None:
    expected = np.array([[1, 0, 1, 0], [0, 1, 1, 0]], np.float32)
    found = np.array([[2, 0, 1, 1], [0, 3, 1, 0]], np.float32)
    assert least_cosine(expected, found, (4,)) < 1
    assert least_cosine(expected, found, (2, 2)) == pytest.approx((0.5**0.5 + 1) / 2)


def test_a_network_in_int8_agrees_and_one_that_would_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    quantised, agreement = quantise(model, (16,), 32)
    assert 0.99 <= agreement <= 1
    kinds = [operation.get_type_name() for operation in quantised.get_ops()]  # type: ignore[attr-defined]
    assert kinds.count("FakeQuantize") >= 2
    monkeypatch.setattr("backend.features.quantise.MIN_COSINE", 1.01)
    with pytest.raises(QuantisationError, match=r"cosine of 0\.99\d+ with those in float32"):
        quantise(small_model(), (16,), 32)


def test_each_precision_is_a_backbone_of_its_own(models_dir: Path) -> None:
    choice = choose_backbone("efficientnet_lite012", models_dir=models_dir)
    ids = {backbone_id(choice.spec, choice.weights, precision=precision) for precision in ("fp32", "int8")}
    assert len(ids) == 2
    assert choice.spec.int8
    assert not BACKBONES["efficientnet_lite2"].int8  # the embeddings of earlier projects stay what they are


def test_auto_falls_back_to_fp32_and_does_not_try_in_vain_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def compile_it(spec: object, weights: object, models_dir: Path, tuned: object, precision: str = "fp32") -> str:
        tried.append(precision)
        if precision == "int8":
            raise QuantisationError("NNCF is not installed (nncf): pip install nncf")
        return precision

    monkeypatch.setattr(selecting, "compiled_files", compile_it)
    choice = choose_backbone("efficientnet_lite012", models_dir=tmp_path)
    assert selecting._compiled(choice, tmp_path, None, "auto") == "fp32"
    assert selecting._compiled(choice, tmp_path, None, "auto") == "fp32"
    assert tried == ["int8", "fp32", "fp32"]
    with pytest.raises(QuantisationError, match="NNCF"):
        selecting._compiled(choice, tmp_path, None, "int8")
