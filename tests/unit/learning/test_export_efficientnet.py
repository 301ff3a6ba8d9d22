"""The real EfficientNet-Lite0 with its ImageNet weights, through every format, on photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.features.registry import BACKBONES
from backend.features.spec import WeightsSource
from backend.features.tuned import build_tuned
from backend.images import decode_rgb
from backend.learning.export import FORMATS, ExportBackbone, export_classifier
from backend.learning.head import Head, train_head
from tests.photographs import photographs

pytestmark = [pytest.mark.unit, pytest.mark.long]

CLASSES, TRAINED = 6, 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportBackbone, Head, list[str], np.ndarray, np.ndarray]:
    """Backbone, a head trained on three photos of six classes, their names, other photos, and what the head says."""
    spec = BACKBONES["efficientnet_lite0"]
    network = build_tuned(spec, spec.locate_weights(WeightsSource(tmp_path_factory.mktemp("weights"))), None)
    backbone = ExportBackbone(spec.name, network.body, spec.input_size, spec.mean, spec.scale, spec.fit)
    folders = sorted(path for path in photographs().iterdir() if path.is_dir())[:CLASSES]
    size = (spec.input_size, spec.input_size)
    images = np.stack(
        [
            decode_rgb(path.read_bytes(), size, fit="squash")
            for folder in folders
            for path in sorted(folder.glob("*.jpg"))[: TRAINED + 1]
        ]
    )
    normalised = (images.astype(np.float32) - spec.mean) / spec.scale
    embeddings = np.asarray(network.body.predict(normalised, verbose=0)).astype(np.float16)
    labels = np.repeat(np.arange(CLASSES), TRAINED + 1)
    unseen = np.tile(np.arange(TRAINED + 1) == TRAINED, CLASSES)
    head = train_head(embeddings[~unseen], np.eye(CLASSES, dtype=np.float32)[labels[~unseen]])
    names = [folder.name for folder in folders]
    return backbone, head, names, images[unseen], head.predict(embeddings[unseen])


@pytest.mark.parametrize("name", list(FORMATS))
def test_probabilities_on_unseen_photos(
    tmp_path: Path, trained: tuple[ExportBackbone, Head, list[str], np.ndarray, np.ndarray], name: str
) -> None:
    backbone, head, labels, photos, expected = trained
    report = export_classifier(tmp_path / name, name, backbone, head, labels, images=photos, expected=expected)
    assert report.largest_difference <= 1e-3
    found = FORMATS[name].load(report.model)(photos)
    assert (found.argmax(axis=1) == np.arange(CLASSES)).mean() > 0.6
