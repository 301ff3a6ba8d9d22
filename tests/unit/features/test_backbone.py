"""The embedded backbone on real photographs, and the compiled model on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
import skimage
import sklearn

from backend.errors import WeightsError
from backend.features import BACKBONES, Backbone, choose_backbone, embed_stream, open_backbone
from backend.features.compiled import CLASSIFIER_FILE, MANIFEST_FILE, PARAMETERS_FILE, CompiledFiles, compiled_files
from backend.features.openvino_runner import OpenVinoRunner
from backend.labels import imagenet
from tests.unit.features.conftest import REPOSITORY, SHARED_IMAGES

pytestmark = pytest.mark.unit

SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.__file__).parent / "datasets" / "images"


def logits_of(backbone: Backbone, paths: list[Path]) -> np.ndarray:
    found = {e.key: e for e in embed_stream(backbone, ((path, path.read_bytes) for path in paths))}
    faults = [str(e.error) for e in found.values() if e.error]
    assert not faults
    return backbone.imagenet_logits(np.stack([found[path].embedding for path in paths]))


@pytest.mark.parametrize(
    ("photo", "right"),
    [
        (SKIMAGE / "chelsea.png", {"n02123045", "n02123159", "n02124075"}),  # tabby, tiger cat, Egyptian cat
        (SKIMAGE / "coffee.png", {"n07920052", "n07930864"}),  # espresso, cup
        (SKIMAGE / "rocket.jpg", {"n04008634", "n03773504"}),  # projectile, missile
        (SKLEARN / "china.jpg", {"n03877845"}),  # palace
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_a_photograph_has_its_class_among_the_best_five(lite2: Backbone, photo: Path, right: set[str]) -> None:
    best = np.argsort(-logits_of(lite2, [photo])[0])[:5]
    assert right & {imagenet.wnid_of(int(index)) for index in best}


@pytest.mark.parametrize(
    ("name", "least"), [("efficientnet_lite0", 0.83), ("efficientnet_lite1", 0.85), ("efficientnet_lite2", 0.85)]
)
def test_top_1_on_one_photo_of_each_of_200_classes(models_dir: Path, name: str, least: float) -> None:
    paths = sorted((SHARED_IMAGES / "imagenet200").glob("*.jpg"))
    if not paths:
        pytest.skip("the shared photographs are not here")
    truth = [imagenet.index_of(path.name.split("_")[0]) for path in paths]
    logits = logits_of(open_backbone(name, models_dir=models_dir), paths)
    assert np.mean(logits.argmax(axis=1) == truth) >= least
    assert np.mean((np.argsort(-logits, axis=1)[:, :5] == np.array(truth)[:, None]).any(axis=1)) >= 0.95


def test_batches_come_back_in_order_and_agree_with_one_by_one(lite2: Backbone) -> None:
    images = np.random.default_rng(0).integers(0, 255, (9, 260, 260, 3), dtype=np.uint8)
    together = lite2.embed(images)
    assert together.shape == (9, 1280)
    assert together.dtype == np.float16
    sizes = [images[:4], images[4:4], images[4:5], images[5:]]
    batches = list(lite2.stream(sizes))
    assert [len(batch) for batch in batches] == [4, 0, 1, 4]
    np.testing.assert_array_equal(np.concatenate(batches), together)
    assert len(np.unique(together, axis=0)) == 9
    assert lite2.embed(images[:0]).shape == (0, 1280)


def test_threads_share_a_backbone(lite2: Backbone) -> None:
    images = np.random.default_rng(1).integers(0, 255, (8, 260, 260, 3), dtype=np.uint8)
    expected = lite2.embed(images)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda row: lite2.embed(images[row : row + 1])[0], range(8)))
    np.testing.assert_array_equal(np.stack(parts), expected)


def test_the_setting_for_latency_changes_no_embedding(lite2: Backbone, models_dir: Path) -> None:
    quick = open_backbone("efficientnet_lite2", models_dir=models_dir, latency=True, threads=1)
    images = np.random.default_rng(2).integers(0, 255, (3, 260, 260, 3), dtype=np.uint8)
    assert quick.id == lite2.id
    np.testing.assert_allclose(quick.embed(images), lite2.embed(images), atol=2e-3)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 224, 224, 3), np.uint8),
        np.zeros((260, 260, 3), np.uint8),
        np.zeros((1, 260, 260, 3), np.float32),
        np.zeros((1, 260, 260, 4), np.uint8),
    ],
)
def test_images_of_another_shape_or_type_are_refused(lite2: Backbone, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"takes uint8 images \[n, 260, 260, 3\]"):
        lite2.embed(images)


def test_the_id_names_backbone_and_weights(lite2: Backbone, models_dir: Path) -> None:
    assert lite2.id == f"efficientnet_lite2-{lite2.digest[:8]}"
    manifest = json.loads((models_dir / lite2.id / MANIFEST_FILE).read_text(encoding="utf-8"))
    assert manifest["digest"] == lite2.digest


def test_a_warm_start_imports_no_tensorflow_and_reports_to_nobody(lite2: Backbone, models_dir: Path) -> None:
    program = (
        "import sys, socket, pathlib\n"
        "def refuse(*a, **k): raise AssertionError('a network call')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import backend.features as f\n"
        "assert 'openvino' not in sys.modules, 'imported at module level'\n"
        "b = f.open_backbone('efficientnet_lite2', models_dir=pathlib.Path(sys.argv[1]))\n"
        "import numpy as np; b.embed(np.zeros((1, 260, 260, 3), np.uint8))\n"
        "loaded = [m for m in ('tensorflow', 'keras', 'openvino_telemetry') if sys.modules.get(m)]\n"
        "assert not loaded, loaded\n"
        "print(b.id)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(models_dir)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == lite2.id


def test_a_damaged_compiled_model_is_made_again(models_dir: Path, tmp_path: Path) -> None:
    spec = BACKBONES["efficientnet_lite0"]
    weights = lite0_weights()
    shared = compiled_files(spec, weights, models_dir)
    shutil.copytree(shared.directory, tmp_path / shared.directory.name)
    files = compiled_files(spec, weights, tmp_path)
    assert files.digest == shared.digest
    whole = (files.directory / CLASSIFIER_FILE).read_bytes()
    parameters = files.directory / PARAMETERS_FILE
    parameters.write_bytes(parameters.read_bytes()[:1000])
    again = compiled_files(spec, weights, tmp_path)
    assert again == files
    assert parameters.stat().st_size > 1000
    assert (files.directory / CLASSIFIER_FILE).read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [files.directory.name]


def copied_model(lite2: Backbone, models_dir: Path, tmp_path: Path) -> CompiledFiles:
    folder = tmp_path / lite2.id
    shutil.copytree(models_dir / lite2.id, folder, ignore=shutil.ignore_patterns("processor_cache"))
    return CompiledFiles(folder, "any")


def test_a_model_opens_where_the_processor_cache_cannot_be_written(
    lite2: Backbone, models_dir: Path, tmp_path: Path
) -> None:
    files = copied_model(lite2, models_dir, tmp_path)
    files.cache.write_text("a file where the folder should be")
    assert OpenVinoRunner(files, threads=1).streams == 1


def test_the_processor_cache_belongs_to_one_process_at_a_time(
    lite2: Backbone, models_dir: Path, tmp_path: Path
) -> None:
    files = copied_model(lite2, models_dir, tmp_path)
    with ThreadPoolExecutor(1) as pool:
        with files.processor_cache() as cache:
            opened = pool.submit(OpenVinoRunner, files, threads=1)
            assert not wait([opened], timeout=1.5).done  # it waits, rather than write the same entry
            assert not list(cache.glob("*.blob"))
        assert opened.result(timeout=60).streams == 1
    assert list(files.cache.glob("*.blob"))


def lite0_weights() -> tuple[Path, ...]:
    return choose_backbone("efficientnet_lite0", models_dir=Path()).weights


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    lite2 = BACKBONES["efficientnet_lite2"]
    with pytest.raises(WeightsError, match=r"lite0.*is of another architecture"):
        compiled_files(lite2, lite0_weights(), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(lite0_weights()[0].read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"damaged\.pth cannot be read: the file is cut short"):
        compiled_files(BACKBONES["efficientnet_lite0"], (damaged,), tmp_path / "models")


def test_the_nearest_imagenet_class_is_that_of_the_largest_cosine(lite2: Backbone) -> None:
    rng = np.random.default_rng(0)
    embeddings = np.abs(rng.normal(size=(5, lite2.spec.embedding_dim))).astype(np.float16)
    embeddings[4] = 0.0
    bias = lite2.imagenet_logits(np.zeros_like(embeddings[:1]))
    columns = lite2.imagenet_logits(np.eye(lite2.spec.embedding_dim, dtype=np.float16)) - bias
    rows = embeddings[:4].astype(np.float32)
    cosines = (rows @ columns) / np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(columns, axis=0))
    found = lite2.nearest_imagenet_class(embeddings, lite2.imagenet_logits(embeddings))
    np.testing.assert_allclose(found[:4], cosines.max(axis=1), atol=1e-3)
    assert found[4] == 0.0
    own = columns[:, 7:8].T.astype(np.float16)
    assert lite2.nearest_imagenet_class(own, lite2.imagenet_logits(own))[0] == pytest.approx(1.0, abs=1e-3)
