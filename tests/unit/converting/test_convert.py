from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from backend.cli.app import build_app
from backend.converting import ConvertOptions, Observation, convert
from backend.converting.files import PhotoFiles
from backend.converting.format import Names
from backend.converting.formats import FORMATS
from backend.errors import BackendError, NotFoundError, SettingsError

pytestmark = pytest.mark.unit


def run(source: Path, target: Path, to: str, *more: str) -> Result:
    return CliRunner().invoke(
        build_app(), ["convert", "--input", str(source), "--output", str(target), "--to", to, *more]
    )


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def choice(*labels: str) -> dict[str, Any]:
    return {"from_name": "c", "to_name": "i", "type": "choices", "value": {"choices": list(labels)}}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """As Label Studio writes it: several annotations, a skipped task, boxes, a polygon, a prediction without answer."""
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 5, "rectanglelabels": ["fox"]}
    result = {"type": "rectanglelabels", "value": box, "original_width": 200, "original_height": 100}
    tasks = [
        {
            "id": 1,
            "data": {"image": "/data/local-files/?d=cam%201/a.jpg"},
            "annotations": [
                {"result": [choice("hare")], "updated_at": "2024-01-02T00:00:00Z"},
                {"result": [choice("fox"), result, {"type": "polygon", "value": {}}], "updated_at": "2024-01-03"},
            ],
        },
        {"id": 2, "data": {"image": "b.jpg"}, "annotations": [{"result": [], "was_cancelled": True}]},
        {"id": 3, "data": {"image": "c.jpg"}, "annotations": [], "predictions": [{"result": [choice("fox")]}]},
        {"id": 4, "data": {"text": "no photo"}, "annotations": []},
        {"id": 5, "data": {"image": "b.jpg"}, "annotations": []},
    ]
    return write_json(tmp_path / "export.json", tasks)


def test_an_export_of_label_studio(export: Path, tmp_path: Path) -> None:
    found = FORMATS["label-studio"].read(export, PhotoFiles(tmp_path), Names())
    assert [photo.path for photo in found.photos] == ["cam 1/a.jpg", "b.jpg", "c.jpg"]
    one, two, three = found.photos
    assert one.observations == (Observation("fox"), Observation("fox", (0.1, 0.2, 0.3, 0.4)))
    assert one.size == (200, 100)
    assert (two.left_out, two.observations, three.observations) == (True, (), ())
    assert found.notes == (
        "task 4: no photo in its data",
        "task 5: b.jpg has another task before it; left out",
        "1 tasks with several annotations, of which the newest is taken",
        "1 boxes are turned, which is left out",
        "1 results of type polygon, left out",
        "1 tasks with predictions only, which are no labels",
    )


def test_the_command_says_what_is_lost(export: Path, tmp_path: Path) -> None:
    target = tmp_path / "coco.json"
    result = run(export, target, "coco")
    assert result.exit_code == 0, result.output
    assert "coco: 1 photos marked as not to be used, left out" in result.stderr
    assert "task 4: no photo in its data" in result.stderr
    assert f"2 photos, 1 classes: {export} (label-studio) to {target} (coco)" in result.stdout
    document = json.loads(target.read_text(encoding="utf-8"))
    assert [image["file_name"] for image in document["images"]] == ["cam 1/a.jpg", "c.jpg"]
    assert document["annotations"][1]["bbox"] == pytest.approx([20, 20, 60, 40])


def test_a_label_config_names_the_control(tmp_path: Path) -> None:
    config = tmp_path / "config.xml"
    config.write_text(
        '<View><Image name="img" value="$photo"/><Taxonomy name="what" toName="img"><Choice value="animal">'
        '<Choice value="fox"/><Choice value="hare"/></Choice></Taxonomy></View>',
        encoding="utf-8",
    )
    source = tmp_path / "labels.csv"
    source.write_text("photo;class\na.jpg;fox\nb.jpg;boar\n", encoding="utf-8")
    result = run(source, tmp_path / "tasks.json", "label-studio", "--label-config", str(config))
    assert "b.jpg: label 'boar' is not in the label config; left out" in result.stderr
    one, two = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert one["data"] == {"photo": "/data/local-files/?d=a.jpg"}
    (answer,) = one["annotations"][0]["result"]
    assert (answer["from_name"], answer["to_name"], answer["type"]) == ("what", "img", "taxonomy")
    assert answer["value"] == {"taxonomy": [["animal", "fox"]]}
    assert two["annotations"] == []


def test_class_folders_get_the_photos(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "cam1").mkdir(parents=True)
    for name in ("cam1/a.jpg", "b.jpg"):
        Image.new("RGB", (64, 48)).save(photos / name)
    source = tmp_path / "labels.csv"
    source.write_text("file,label\ncam1/a.jpg,fox\nb.jpg,hare\nlost.jpg,hare\n../b.jpg,hare\n", encoding="utf-8")
    result = run(source, tmp_path / "classes", "folders", "--photos", str(photos))
    assert result.exit_code == 0, result.output
    assert "lost.jpg: no such photo below" in result.stderr
    assert "left out, its path is hidden or leads elsewhere: ../b.jpg" in result.stderr
    found = sorted(path.relative_to(tmp_path / "classes").as_posix() for path in (tmp_path / "classes").rglob("*.jpg"))
    assert found == ["fox/cam1/a.jpg", "hare/b.jpg"]
    again = run(source, tmp_path / "classes", "folders", "--photos", str(photos))
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_coco_needs_the_size_of_photos_with_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    source = tmp_path / "boxes.csv"
    source.write_text("file,label,x,y,width,height\na.jpg,fox,0.5,0,0.25,1\nlost.jpg,fox,0,0,1,1\n", encoding="utf-8")
    done = convert(ConvertOptions(source, tmp_path / "coco.json", "coco"), 10**7)
    assert len(done.losses) == 1
    assert "its size in pixels is not known" in done.losses[0]
    (annotation,) = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))["annotations"]
    assert annotation["bbox"] == [100, 0, 50, 100]


def test_a_camera_trap_data_package(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2024:05:31 06:12:09"
    (tmp_path / "cam1").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "cam1" / "a.jpg", exif=exif)
    source = tmp_path / "labels.csv"
    source.write_text("file,label,score\ncam1/a.jpg,fox,0.75\ncam1/b.jpg,empty,\n", encoding="utf-8")
    result = run(source, tmp_path / "package", "camtrap-dp", "--utc-offset", "+02:00")
    assert result.exit_code == 0, result.output
    assert "1 photos have no time, which Camtrap DP asks for" in result.stderr
    tables = {}
    for name in ("deployments", "media", "observations"):
        with (tmp_path / "package" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            tables[name] = list(csv.DictReader(stream))
    assert [row["deploymentID"] for row in tables["deployments"]] == ["cam1"]
    assert tables["media"][0]["timestamp"] == "2024-05-31T06:12:09+02:00"
    fox, empty = tables["observations"]
    assert (fox["observationType"], fox["scientificName"], fox["classificationProbability"]) == (
        "animal",
        "fox",
        "0.75",
    )
    assert (fox["classificationMethod"], empty["classificationMethod"]) == ("machine", "human")
    assert (empty["observationType"], empty["scientificName"]) == ("blank", "")
    description = json.loads((tmp_path / "package" / "datapackage.json").read_text(encoding="utf-8"))
    assert [item["name"] for item in description["resources"]] == ["deployments", "media", "observations"]
    found = FORMATS["camtrap-dp"].read(tmp_path / "package", PhotoFiles(tmp_path), Names())
    assert [item.label for photo in found.photos for item in photo.observations] == ["fox", "empty"]


def test_timelapse_in_windows_1252_with_backslashes(tmp_path: Path) -> None:
    source = tmp_path / "TimelapseData.csv"
    text = "RelativePath;File;Label;DateTime;DeleteFlag\r\ncam1\\n;a.jpg;B\xe4r;2024-05-31 06:12:09;True\r\n"
    source.write_bytes(text.encode("cp1252"))
    done = convert(ConvertOptions(source, tmp_path / "out.csv", "csv"), 10**7)
    (photo,) = done.written.photos
    assert (photo.path, photo.left_out, photo.taken) == ("cam1/n/a.jpg", True, "2024-05-31 06:12:09")
    assert [item.label for item in photo.observations] == ["B\xe4r"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[1, 2]", "is no list of tasks"),
        ("a.json", '[{"image": "a.jpg", "choice": "fox"}]', "export with JSON, not with JSON-MIN"),
        ("a.json", "{", "is no JSON file"),
        ("a.json", "{}", "has no list of images"),
        ("a.csv", "name,label\na,b\n", "looks like none of label-studio, csv"),
        ("a.bin", "x", "looks like none of"),
    ],
)
def test_a_source_that_is_none_says_why(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(BackendError, match=message):
        convert(ConvertOptions(tmp_path / name, tmp_path / "out.csv", "csv"), 10**7)


def test_damage_costs_only_its_own_photo(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("file,label,x,y,width,height\na.jpg,fox,2,0,1,1\nb.jpg,fox,,,,\n,fox,,,,\n", encoding="utf-8")
    done = convert(ConvertOptions(source, tmp_path / "out.json", "label-studio"), 10**7)
    assert [photo.path for photo in done.written.photos] == ["b.jpg"]
    assert done.written.notes == ("a.csv, row 2: 2 does not lie in [0, 1]", "a.csv, row 4: no photo")
    coco = write_json(
        tmp_path / "coco.json",
        {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2}],
            "categories": [{"id": 1, "name": "fox"}, {"id": 2, "name": "never seen"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1},
                {"id": 2, "image_id": 1, "category_id": 9},
                {"id": 3, "image_id": 7, "category_id": 1},
                {"id": 4, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]},
            ],
        },
    )
    found = FORMATS["coco"].read(coco, PhotoFiles(tmp_path), Names())
    assert found.classes == ("fox", "never seen")
    assert [item.label for item in found.photos[0].observations] == ["fox"]
    assert len(found.notes) == 4


def test_wrong_options_name_themselves(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("file,label\na.jpg,fox\n", encoding="utf-8")
    with pytest.raises(NotFoundError, match="--input"):
        convert(ConvertOptions(tmp_path / "none", tmp_path / "x", "csv"), 10**7)
    with pytest.raises(SettingsError, match="--to voc: unknown; known: label-studio, csv"):
        convert(ConvertOptions(source, tmp_path / "x", "voc"), 10**7)
    with pytest.raises(SettingsError, match=r"--output .* is a folder"):
        convert(ConvertOptions(source, tmp_path, "csv"), 10**7)
    result = run(source, tmp_path / "package", "camtrap-dp", "--utc-offset", "CET")
    assert result.exit_code == 2
    assert "write it as Z" in result.stderr
