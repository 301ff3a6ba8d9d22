"""The registry of backbones, and what each entry promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import SettingsError, WeightsError
from backend.features import BACKBONES, choose_backbone, open_backbone
from backend.features.efficientnet_lite import Variant, scaled_filters, scaled_stages
from backend.features.spec import WeightsSource

pytestmark = pytest.mark.unit


def test_the_registry_holds_every_backbone() -> None:
    mobilenets = {f"mobilenet_{w}_{s}" for w in ("1.0", "0.75", "0.50", "0.25") for s in (224, 192, 160, 128)}
    lites = {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}
    several = {"efficientnet_lite012", "inception_v3_lite012"}
    assert set(BACKBONES) == {"inception_v3"} | mobilenets | lites | several
    assert all(name == spec.name for name, spec in BACKBONES.items())


@pytest.mark.parametrize(
    ("name", "input_size", "embedding_dim", "mean", "scale"),
    [
        ("inception_v3", 299, 2048, 127.5, 127.5),
        ("mobilenet_1.0_224", 224, 1024, 127.5, 127.5),
        ("mobilenet_0.75_192", 192, 768, 127.5, 127.5),
        ("mobilenet_0.50_160", 160, 512, 127.5, 127.5),
        ("mobilenet_0.25_128", 128, 256, 127.5, 127.5),
        ("efficientnet_lite0", 224, 1280, 127.0, 128.0),
        ("efficientnet_lite1", 240, 1280, 127.0, 128.0),
        ("efficientnet_lite2", 260, 1280, 127.0, 128.0),
    ],
)
def test_sizes_and_normalisation(name: str, input_size: int, embedding_dim: int, mean: float, scale: float) -> None:
    spec = BACKBONES[name]
    assert (spec.input_size, spec.embedding_dim, spec.mean, spec.scale) == (input_size, embedding_dim, mean, scale)


@pytest.mark.parametrize(
    ("filters", "width", "expected"), [(16, 1.1, 16), (24, 1.1, 24), (40, 1.1, 48), (80, 1.1, 88), (320, 1.1, 352)]
)
def test_scaled_filters(filters: int, width: float, expected: int) -> None:
    assert scaled_filters(filters, width) == expected


def test_depth_leaves_the_first_and_the_last_stage_alone() -> None:
    assert [stage.repeats for stage in scaled_stages(Variant(1.1, 1.2, 260))] == [1, 3, 3, 4, 4, 5, 1]


def test_a_different_preprocessing_is_a_different_backbone() -> None:
    spec = BACKBONES["efficientnet_lite2"]
    changed = [
        replace(spec, crop=0.5),
        replace(spec, fit="squash"),
        replace(spec, networks=(replace(spec.networks[0], mean=0.0),)),
        replace(spec, input_size=7),
    ]
    assert len({spec.fingerprint(), *(one.fingerprint() for one in changed)}) == 5


def test_an_unknown_name_lists_the_known(models_dir: Path) -> None:
    with pytest.raises(SettingsError, match=r"'resnet'.*auto, .*inception_v3, .*efficientnet_lite2"):
        open_backbone("resnet", models_dir=models_dir)


def test_missing_weights_say_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(WeightsError) as caught:
        open_backbone("mobilenet_0.75_160", models_dir=tmp_path, download=False)
    assert "/mobilenet/mobilenet_7_5_160_tf.h5" in str(caught.value)
    assert str(tmp_path / "weights") in str(caught.value)
    assert caught.value.reason == "weights_missing"


def test_missing_inception_weights_name_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(WeightsError, match="INCEPTION_WEIGHTS"):
        open_backbone("inception_v3", models_dir=tmp_path, download=False)


def test_weights_are_found_beside_the_models_and_where_keras_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    spec = BACKBONES["mobilenet_1.0_224"]
    kept_by_keras = tmp_path / "keras" / "models" / "mobilenet_1_0_224_tf.h5"
    kept_by_keras.parent.mkdir(parents=True)
    kept_by_keras.touch()
    source = WeightsSource(tmp_path / "weights", download=False)
    assert spec.locate_weights(source) == (kept_by_keras,)
    ours = tmp_path / "weights" / "mobilenet_1_0_224_tf.h5"
    ours.parent.mkdir()
    ours.touch()
    assert spec.locate_weights(source) == (ours,)


def test_auto_falls_back_to_the_embedded_backbone_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    choice = choose_backbone("auto", models_dir=tmp_path, download=False)
    assert choice.spec.name == "efficientnet_lite012"
    assert len(choice.weights) == 3
    assert all(path.is_file() for path in choice.weights)
    assert "inception_v3" in choice.reason
    assert "INCEPTION_WEIGHTS" in choice.reason


def test_auto_prefers_inception_where_its_weights_are(tmp_path: Path) -> None:
    weights = tmp_path / "weights" / "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
    weights.parent.mkdir()
    weights.touch()
    choice = choose_backbone("auto", models_dir=tmp_path, download=False)
    assert (choice.spec.name, choice.weights[0]) == ("inception_v3_lite012", weights)
    embedded = choose_backbone("efficientnet_lite012", models_dir=tmp_path)
    assert choice.weights[1:] == embedded.weights
    given = tmp_path / "given.h5"
    given.touch()
    assert choose_backbone("auto", models_dir=tmp_path, inception_weights=given).weights == (given, *embedded.weights)


def test_a_weights_file_that_the_user_names_must_exist(tmp_path: Path) -> None:
    for name in ("auto", "inception_v3"):
        with pytest.raises(WeightsError, match=r"nowhere\.h5 does not exist; correct INCEPTION_WEIGHTS"):
            choose_backbone(name, models_dir=tmp_path, inception_weights=tmp_path / "nowhere.h5")


def test_inception_weights_do_not_concern_other_backbones(tmp_path: Path) -> None:
    choice = choose_backbone("efficientnet_lite0", models_dir=tmp_path, inception_weights=tmp_path / "nowhere.h5")
    assert choice.weights[0].name.startswith("efficientnet-lite0")
