from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from backend.active_learning.loop import run_loop
from backend.active_learning.loop_options import LoopListener, LoopOptions
from backend.active_learning.timelapse import read_rows, write_rows
from backend.active_learning.workdir import WorkDir
from backend.errors import BackendError, NotFoundError, SettingsError
from backend.settings import Settings
from tests.unit.retraining.conftest import CLASSES, class_photos, small_settings  # noqa: F401

pytestmark = [pytest.mark.unit, pytest.mark.long]


class Heard(LoopListener):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, text: str) -> None:
        self.sentences.append(text)


@pytest.fixture
def options(class_photos: Path, tmp_path: Path) -> LoopOptions:  # noqa: F811
    return LoopOptions(
        unlabelled=class_photos,
        working_dir=tmp_path / "W",
        classes=CLASSES,
        batch=6,
        classifier="knn",
        export=False,
    )


def test_a_person_labels_and_the_loop_goes_on(options: LoopOptions, small_settings: Settings) -> None:  # noqa: F811
    heard = Heard()
    first = run_loop(options, small_settings, heard)
    assert first.waiting is not None
    assert any("broken.jpg" in sentence for sentence in heard.sentences)
    rows = read_rows(first.waiting.read_bytes(), "batch")
    assert len(rows) == 6
    assert all(row.label in CLASSES and row.date_time and row.probability for row in rows)
    folder = first.waiting.parent
    assert (folder / "TimelapseTemplate.tdb").is_file()
    for row in rows:
        with Image.open(folder / row.key) as picture:
            assert picture.size[0] > 0
    # Nothing has changed while nobody answers.
    assert run_loop(options, small_settings).waiting == first.waiting
    # One row lacks a label, one has an odd one, one is deleted; the file is Windows-1252.
    labelled = [replace(row, label=row.relative_path) for row in rows]
    labelled[0] = replace(labelled[0], label="")
    labelled[1] = replace(labelled[1], label="Käfer")
    labelled[2] = replace(labelled[2], delete=True)
    (folder / "labelled.csv").write_bytes(write_rows(labelled).encode("cp1252"))
    second = run_loop(options, small_settings, heard)
    assert second.answers == 4
    assert second.waiting is not None
    assert second.waiting.parent.name == "batch_002"
    problems = (folder / "problems.txt").read_text(encoding="utf-8")
    assert rows[0].key in problems
    assert "Käfer" in problems
    asked = set(WorkDir(options.working_dir).asked(2) or [])
    assert not asked & {row.key for row in labelled[2:]}  # what was not answered may be asked again


def test_folders_answer_until_the_budget_is_spent(
    options: LoopOptions,
    small_settings: Settings,  # noqa: F811
    class_photos: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    validation = tmp_path / "validation"
    for name in CLASSES[:2]:  # a subset of the classes
        (validation / name).mkdir(parents=True)
        for path in sorted((class_photos / name).glob("*_1*.jpg")):
            (validation / name / path.name).write_bytes(path.read_bytes())
    playing = replace(options, answers="folders", budget=15, validation=validation, pictures=False)
    end = run_loop(playing, small_settings)
    assert end.answers == 15
    assert end.waiting is None
    assert [result.answers for result in end.results] == [0, 6, 12, 15]
    assert end.results[-1].accuracy > 0.9
    work = options.working_dir
    assert {path.name for path in (work / "validation").iterdir()} >= {"results.csv", "curve.png", "confusion_003.csv"}
    with (work / "predictions.csv").open(encoding="utf-8") as stream:
        predictions = list(csv.DictReader(stream))
    assert len(predictions) == 60
    right = sum(row["label"] == row["picture"].split("/")[0] for row in predictions)
    assert right > 54
    # Again: nothing is left to do, nothing changes.
    before = (work / "answers.csv").read_bytes()
    assert run_loop(playing, small_settings).answers == 15
    assert (work / "answers.csv").read_bytes() == before
    with pytest.raises(SettingsError, match="other classes"):
        run_loop(replace(playing, classes=("x", "y")), small_settings)


def test_crops_of_detections_are_asked_about(
    options: LoopOptions,
    small_settings: Settings,  # noqa: F811
    tmp_path: Path,
) -> None:
    boxes = [
        {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.5, 0.8]},
        {"category": "1", "conf": 0.6, "bbox": [0.5, 0.2, 0.5, 0.7]},
    ]
    images = [
        {"file": f"{name}\\{name}_{number:02d}.jpg", "detections": boxes} for name in CLASSES for number in range(3)
    ]
    images[0]["detections"] = [{"category": "1", "conf": 0.05, "bbox": [0, 0, 1, 1]}]
    path = tmp_path / "detections.json"
    path.write_text(json.dumps({"images": images, "detection_categories": {"1": "animal"}}))
    heard = Heard()
    end = run_loop(replace(options, detections=path, batch=8, answers="folders", budget=8), small_settings, heard)
    assert end.answers == 8
    assert any("16 crops of 61 photos; 53 photos are empty" in sentence for sentence in heard.sentences)
    batch = options.working_dir / "batches" / "batch_001"
    for row in read_rows((batch / "batch.csv").read_bytes(), "batch"):
        assert ".crop" in row.file
        width, height = (float(value) for value in row.crop.split()[2:])
        assert (width, height) in ((0.5, 0.8), (0.5, 0.7))
        with Image.open(batch / row.key) as picture:
            assert picture.size[0] < 500
    with (options.working_dir / "counts.csv").open(encoding="utf-8") as stream:
        counts = list(csv.DictReader(stream))
    assert sum(int(row["count"]) for row in counts) == 16
    assert sum(row["count"] == "0" for row in counts) == 53
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(BackendError, match=r"no\.json: not the JSON that MegaDetector writes"):
        run_loop(replace(options, detections=tmp_path / "no.json"), small_settings)


def test_classes_must_be_known(options: LoopOptions, small_settings: Settings) -> None:  # noqa: F811
    with pytest.raises(NotFoundError, match="--labels"):
        run_loop(replace(options, classes=()), small_settings)
