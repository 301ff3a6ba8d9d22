"""A graph with the node names and operations of classify_image_graph_def.pb, much smaller, and random weights."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from backend.classifiers import open_classifier
from backend.errors import WeightsError
from backend.features import open_backbone
from backend.features.inception_2015 import CLASSES_FILE, NAMES_FILE
from backend.features.inception_v3 import build_network
from backend.labels import imagenet
from tests.unit.features.old_inception import OldGraph, write_old_graph

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> OldGraph:
    return write_old_graph(tmp_path_factory.mktemp("inception"))


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 299, 299, 3)).astype(np.uint8)


def test_the_graph_is_a_keras_network_with_classes_in_the_usual_order(graph: OldGraph) -> None:
    network = build_network(graph.path)
    images = pictures(2)
    pooled, probabilities = zip(*(graph.ask(image) for image in images), strict=True)
    embeddings = network.body.predict((images - np.float32(127.5)) / np.float32(127.5), verbose=0)
    np.testing.assert_allclose(embeddings, np.stack(pooled), rtol=1e-3, atol=1e-4)
    logits = embeddings @ network.kernel + network.bias
    best = [imagenet.wnid_of(int(row.argmax())) for row in logits]
    assert best == [graph.trained_best(row) for row in probabilities]


def test_the_setting_takes_it_and_the_engine_agrees(graph: OldGraph, tmp_path: Path) -> None:
    backbone = open_backbone("inception_v3", models_dir=tmp_path, inception_weights=graph.path, download=False)
    image = pictures(1)
    embedding = backbone.embed(image).astype(np.float32)[0]
    pooled, probabilities = graph.ask(image[0])
    assert embedding @ pooled / np.linalg.norm(embedding) / np.linalg.norm(pooled) > 0.9999
    assert imagenet.wnid_of(int(backbone.imagenet_logits(embedding[None])[0].argmax())) == graph.trained_best(
        probabilities
    )


def test_label_image_finds_its_names(graph: OldGraph) -> None:
    opened = open_classifier(graph.path)
    images = pictures(2)
    assert len(opened.labels) == 1008
    assert opened.size == (299, 299)
    answers = opened.run(images)
    np.testing.assert_allclose(answers[1], graph.ask(images[1])[1], rtol=1e-3)
    assert opened.labels[graph.places["n01440764"]] == "tench, Tinca tinca"
    assert opened.labels[0] == "(unused 0)"


def test_what_is_missing_or_strange_is_named(graph: OldGraph, tmp_path: Path) -> None:
    alone = tmp_path / graph.path.name
    alone.write_bytes(graph.path.read_bytes())
    with pytest.raises(WeightsError, match=CLASSES_FILE):
        build_network(alone)
    (tmp_path / CLASSES_FILE).write_text("entry {\n target_class: 1\n target_class_string: 'x'\n}", encoding="utf-8")
    with pytest.raises(WeightsError, match="lists 0 classes"):
        build_network(alone)
    (tmp_path / CLASSES_FILE).write_bytes((graph.path.parent / CLASSES_FILE).read_bytes())
    alone.write_bytes(b"no graph")
    with pytest.raises(WeightsError, match="cannot be read as a frozen"):
        build_network(alone)
    write_old_graph(tmp_path, activation="Elu")
    with pytest.raises(WeightsError, match=r"'conv' is of a kind that cannot be read here \(Elu\)"):
        build_network(alone)
    assert (tmp_path / NAMES_FILE).is_file()
    assert random.Random(0).sample(range(1, 1001), 3) == list(graph.places.values())[:3]  # an order of its own
