from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import SettingsError
from backend.images import decode_rgb
from backend.retraining import RetrainOptions, retrain
from backend.retraining.listener import Listener
from backend.retraining.options import Distortions
from backend.retraining.outputs import Classifier, format_of, with_normalised_output, write_graph
from backend.settings import Settings
from tests.unit.learning.test_export_formats import LABELS, backbone, some_head  # noqa: F401

pytestmark = [pytest.mark.unit, pytest.mark.long]


class Heard(Listener):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, text: str) -> None:
        self.sentences.append(text)


def options_for(folder: Path, out: Path) -> RetrainOptions:
    return RetrainOptions(
        image_dir=folder,
        output_graph=out / "retrained_graph.pb",
        output_labels=out / "labels.txt",
        architecture="efficientnet_lite0",
        training_steps=40,
        testing_percentage=20,
        bottleneck_dir=out / "bottlenecks",
    )


def test_from_photos_to_a_graph_that_tensorflow_1_code_loads(
    class_photos: Path, tmp_path: Path, small_settings: Settings
) -> None:
    import tensorflow as tf

    heard = Heard()
    options = options_for(class_photos, tmp_path / "out")
    result = retrain(options, small_settings, heard)
    assert result.classes == ("chelsea", "coffee", "rocket")
    assert [path.name for path, _ in result.unreadable] == ["broken.jpg"]
    assert any("broken.jpg" in sentence for sentence in heard.sentences)
    assert result.testing is not None
    assert result.testing.accuracy > 0.9
    assert result.embedded == 60
    assert (tmp_path / "out" / "labels.txt").read_text().split() == ["chelsea", "coffee", "rocket"]
    card = json.loads((tmp_path / "out" / "retrained_graph.pb.json").read_text())
    assert card["labels"] == ["chelsea", "coffee", "rocket"]
    assert card["testing"]["photos"] == result.counts["testing"]

    # As label_image.py of TensorFlow for Poets did it.
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(options.output_graph.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition)
        photo = decode_rgb((class_photos / "rocket" / "rocket_00.jpg").read_bytes(), (224, 224))
        normalised = (photo[None].astype(np.float32) - 128) / 128
        with tf.compat.v1.Session(graph=graph) as session:
            found = session.run(
                graph.get_tensor_by_name("import/final_result:0"),
                {graph.get_tensor_by_name("import/input:0"): normalised},
            )
    assert found.shape == (1, 3)
    assert found[0].argmax() == 2
    assert found.sum() == pytest.approx(1, abs=1e-4)

    # A second run embeds nothing, and gives the same; its name asks for another format.
    again = retrain(replace(options, output_graph=tmp_path / "out" / "model.keras"), small_settings, heard)
    assert again.embedded == 0
    assert again.testing == result.testing
    assert (tmp_path / "out" / "model.keras").is_file()


@pytest.fixture
def few_photos(class_photos: Path, tmp_path: Path) -> Path:
    """Eight of each class: the calibration of an int8 model takes a second for each."""
    for folder in (item for item in class_photos.iterdir() if item.is_dir()):
        (tmp_path / "few" / folder.name).mkdir(parents=True)
        for path in sorted(folder.glob(f"{folder.name}_*"))[:8]:
            shutil.copy(path, tmp_path / "few" / folder.name)
    return tmp_path / "few"


def test_distorted_copies_int8_and_summaries(few_photos: Path, tmp_path: Path, small_settings: Settings) -> None:
    pytest.importorskip("tensorboard")
    options = replace(
        options_for(few_photos, tmp_path / "out"),
        architecture="efficientnet_lite0_quantized",
        distortions=Distortions(flip_left_right=True, random_crop=10, random_brightness=20, variants=2),
        summaries_dir=tmp_path / "summaries",
        output_graph=tmp_path / "out" / "model.keras",
    )
    result = retrain(options, small_settings)
    assert result.testing is not None
    assert result.testing.accuracy > 0.9
    assert result.int8_agreement is not None
    assert result.int8_agreement > 0.9
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    assert sizes["model_int8.tflite"] < sizes["model.keras"] / 2.5

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curve = EventAccumulator(str(tmp_path / "summaries" / "validation"))
    curve.Reload()
    tags = curve.Tags()
    assert {"accuracy", "cross_entropy", "confusion_matrix"} <= set(tags["tensors"])
    assert (tmp_path / "summaries" / "sprite.png").is_file()
    rows = (tmp_path / "summaries" / "metadata.tsv").read_text().splitlines()
    assert len(rows) == 25
    vectors = (tmp_path / "summaries" / "bottlenecks.bytes").stat().st_size
    assert vectors == 24 * 1280 * 4


@pytest.mark.parametrize("name", ["g.pb", "g.keras", "g.tflite", "g.onnx", "g.xml", "g"])
def test_every_ending_is_a_format(tmp_path: Path, backbone: object, name: str) -> None:  # noqa: F811
    head = some_head("linear")
    classifier = Classifier(with_normalised_output(backbone), head, LABELS)  # type: ignore[arg-type]
    path = tmp_path / "deep" / name
    for _ in range(2 if name in ("g.tflite", "g.xml", "g") else 1):  # a second file, pair or folder replaces the first
        write_graph(path, classifier, {"version": "v1"})
    assert path.exists()
    card = json.loads((tmp_path / "deep" / f"{name}.json").read_text())
    assert card["model"] == name
    assert card["format"] == format_of(path)
    assert {item.name for item in path.parent.iterdir()} <= {name, f"{name}.json", "g.bin"}


def test_mistakes_name_the_flag(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--output-graph .*\.h5"):
        format_of(Path("model.h5"))
    with pytest.raises(SettingsError, match=r"--architecture resnet: unknown; known: auto, inception_v3"):
        replace(options_for(tmp_path, tmp_path), architecture="resnet")
    with pytest.raises(SettingsError, match="--testing-percentage"):
        replace(options_for(tmp_path, tmp_path), testing_percentage=60, validation_percentage=40)
    with pytest.raises(SettingsError, match="--random-crop"):
        Distortions(random_crop=100)
    assert replace(options_for(tmp_path, tmp_path), architecture="mobilenet_0.50_224_quantized").quantized
