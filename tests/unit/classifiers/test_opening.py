from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.classifiers import GraphOptions, open_classifier
from backend.classifiers.opening import best
from backend.classifiers.photos import ask, photo_sources
from backend.errors import BackendError, NotFoundError
from backend.learning.export import ExportBackbone, export_classifier
from backend.learning.export.bundle import sample_images
from backend.retraining.outputs import Classifier, write_graph
from backend.settings import Settings
from tests.unit.learning.test_export_formats import LABELS, backbone, some_head  # noqa: F401
from tests.unit.retraining.conftest import class_photos, small_settings  # noqa: F401

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["g.pb", "g.keras", "g.tflite", "g.xml", "g"])
def test_what_retrain_writes_is_opened(tmp_path: Path, backbone: ExportBackbone, name: str) -> None:  # noqa: F811
    head = some_head("mlp")
    write_graph(tmp_path / name, Classifier(backbone, head, LABELS), {"crop": 0.875})
    opened = open_classifier(tmp_path / name)
    assert opened.labels == tuple(LABELS)
    assert opened.size == (32, 32)
    assert opened.crop == 0.875
    images = sample_images(32, 3, seed=5)
    normalised = (images.astype(np.float32) - 127) / 128
    expected = head.predict(np.asarray(backbone.body.predict(normalised, verbose=0)))
    np.testing.assert_allclose(opened.run(images), expected, atol=1e-3)
    assert best(opened, expected[0], 2)[0].label == LABELS[int(expected[0].argmax())]


def test_a_folder_of_export_is_opened(tmp_path: Path, backbone: ExportBackbone) -> None:  # noqa: F811
    for form in ("openvino", "savedmodel"):
        export_classifier(tmp_path / form, form, backbone, some_head("mlp"), LABELS)
        assert open_classifier(tmp_path / form).labels == tuple(LABELS)


def old_graph(path: Path, inputs: str, size: int | None) -> None:
    """A graph as programs of TensorFlow 1 wrote them: normalised pixels in, three probabilities of the mean colour out."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        pixels = tf.compat.v1.placeholder(tf.float32, (None, size, size, 3), name=inputs)
        tf.nn.softmax(tf.reduce_mean(pixels, axis=(1, 2)) * 3, name="final_result")
        path.write_bytes(graph.as_graph_def().SerializeToString())


def test_an_old_retrained_graph_is_asked_as_its_own_program_asked_it(tmp_path: Path) -> None:
    old_graph(tmp_path / "retrained_graph.pb", "Mul", None)
    (tmp_path / "retrained_labels.txt").write_text("red\ngreen\nblue\n")
    opened = open_classifier(tmp_path / "retrained_graph.pb")
    assert opened.size == (299, 299)
    image = np.zeros((1, 299, 299, 3), np.uint8)
    image[..., 1] = 255
    assert best(opened, opened.run(image)[0], 1)[0].label == "green"
    expected = np.exp([-3, 3 * 127 / 128, -3]) / np.exp([-3, 3 * 127 / 128, -3]).sum()
    np.testing.assert_allclose(opened.run(image)[0], expected, rtol=1e-4)
    given = open_classifier(
        tmp_path / "retrained_graph.pb", GraphOptions(input_height=64, input_width=48, input_mean=0, input_std=255)
    )
    assert given.size == (48, 64)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="--graph"):
        open_classifier(tmp_path / "none.pb")
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(BackendError, match="known endings"):
        open_classifier(tmp_path / "text.txt")
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    with pytest.raises(BackendError, match=r"broken\.tflite cannot be opened as tflite"):
        open_classifier(tmp_path / "broken.tflite")
    old_graph(tmp_path / "old.pb", "pixels", 8)
    with pytest.raises(BackendError, match="--input-layer"):
        open_classifier(tmp_path / "old.pb")
    with pytest.raises(BackendError, match="no layer 'other'"):
        open_classifier(tmp_path / "old.pb", GraphOptions(input_layer="pixels", output_layer="other"))
    with pytest.raises(NotFoundError, match="--labels"):
        open_classifier(tmp_path / "old.pb", GraphOptions(input_layer="pixels"))
    (tmp_path / "two.txt").write_text("a\nb\n")
    with pytest.raises(BackendError, match=r"2 labels, .* 3 probabilities"):
        open_classifier(tmp_path / "old.pb", GraphOptions(labels=tmp_path / "two.txt", input_layer="pixels"))


def test_photos_come_from_files_and_folders_and_errors_stay_with_their_photo(
    tmp_path: Path,
    class_photos: Path,  # noqa: F811
    small_settings: Settings,  # noqa: F811
) -> None:
    old_graph(tmp_path / "g.pb", "input", 16)
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    opened = open_classifier(tmp_path / "g.pb")
    sources = photo_sources(
        [str(class_photos / "coffee"), str(class_photos / "rocket" / "rocket_00.jpg")], small_settings
    )
    answers = list(ask(opened, sources, small_settings))
    assert [answer.name for answer in answers] == [source.name for source in sources]
    bad = [answer for answer in answers if answer.error is not None]
    assert [Path(answer.name).name for answer in bad] == ["broken.jpg"]
    assert len(answers) == 22
    (missing,) = ask(opened, photo_sources(["nowhere.jpg"], small_settings), small_settings)
    assert missing.probabilities is None
    assert "No such file" in str(missing.error)
    # A private address is not fetched unless it is allowed.
    (private,) = ask(opened, photo_sources(["http://127.0.0.1:9/x.jpg"], small_settings), small_settings)
    assert private.error is not None
    assert private.error.reason == "forbidden_address"


def test_a_page_and_its_figures(
    tmp_path: Path,
    class_photos: Path,  # noqa: F811
    small_settings: Settings,  # noqa: F811
) -> None:
    from backend.classifiers.performance import measure
    from backend.classifiers.performance_page import performance_page

    old_graph(tmp_path / "g.pb", "input", 16)
    (tmp_path / "labels.txt").write_text("Chelsea\n<coffee>\nnothing\n")
    opened = open_classifier(tmp_path / "g.pb")
    found = measure(opened, class_photos, small_settings)
    assert found.evaluation.photos == 40  # no class of the model is called rocket
    assert any("rocket" in warning for warning in found.warnings)
    assert [Path(name).name for name, _ in found.unreadable] == ["broken.jpg"]
    wrong = int((found.predicted != found.truth).sum())
    assert found.evaluation.accuracy == pytest.approx(1 - wrong / 40)
    assert len(found.worst(100)) == wrong > 0
    document = json.loads(json.dumps(found.to_json()))
    assert len(document["mistakes"]) == wrong
    page = performance_page(found, "a < b", lambda path, size: np.zeros((size, size, 3), np.uint8))
    assert "a &lt; b" in page
    assert "&lt;coffee&gt;" in page
    assert "<coffee>" not in page
    assert "http://" not in page
    assert "https://" not in page
