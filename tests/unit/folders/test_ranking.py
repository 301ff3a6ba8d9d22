"""`rank`: the order without a server, from embeddings and from a folder, with and without labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend import rank
from backend.errors import LabelConfigError, NotFoundError, SettingsError
from backend.labels import parse_label_config
from backend.settings import Settings
from tests.application import installation_settings
from tests.photographs import photographs
from tests.unit.features.own_network import write_network

pytestmark = pytest.mark.unit

CLASSES = ["cat", "coffee", "rocket"]
REPEATED = "the same picture as another one, whose answer is its suggestion"


def clusters(n: int = 60, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings [n, d] of three clusters, and the cluster of each."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    return (3.0 * np.eye(3, width)[truth] + rng.normal(0, 0.3, (n, width))).astype(np.float32), truth


def test_embeddings_need_no_server_and_no_weights() -> None:
    embeddings, truth = clusters()
    ranking = rank(embeddings, classes=CLASSES)
    places = list(ranking)
    assert sorted(place.photo for place in places) == list(range(60))
    assert [place.position for place in places] == list(range(1, 61))
    assert {int(truth[place.photo]) for place in places[:3]} == {0, 1, 2}, "each cluster is asked about at once"
    assert all(place.reason for place in places)
    labels = {place.photo: CLASSES[truth[place.photo]] for place in places[:6]}
    after = list(rank(embeddings, labels))
    assert {place.photo for place in after} == set(range(60)) - set(labels)
    assert np.mean([place.label == CLASSES[truth[place.photo]] for place in after]) > 0.95
    assert [place.photo for place in rank(embeddings, labels)] == [place.photo for place in after]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("photos")
    for name in CLASSES:
        (made / name).mkdir()
        for number in range(6):
            (made / name / f"{number}.jpg").symlink_to(photographs() / name / f"{number:03}.jpg")
    (made / "broken.jpg").write_bytes(b"no photo")
    return made


def test_a_folder_with_the_labels_so_far(folder: Path, tmp_path: Path) -> None:
    settings = installation_settings(tmp_path)
    before = list(rank(folder, classes=CLASSES, settings=settings))
    assert len(before) == 18
    assert all(len(place.top) == 5 for place in before)
    labels = {
        "cat/0.jpg": "cat",
        str(folder / "coffee" / "0.jpg"): "coffee",
        "rocket/0.jpg": "rocket",
        "broken.jpg": "cat",
    }
    ranking = rank(str(folder), labels, settings=settings)
    assert ranking.count == 15
    assert [path.name for path, _ in ranking.unreadable] == ["broken.jpg"]
    places = list(ranking)
    assert not {folder / name for name in labels} & {place.photo for place in places}
    assert np.mean([place.label == place.photo.parent.name for place in places]) > 0.9


def test_the_same_picture_in_other_files_is_asked_about_once(folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(folder, photos)
    (photos / "broken.jpg").unlink()
    with Image.open(photos / "cat" / "3.jpg") as picture:
        picture.save(photos / "again.jpg", quality=50)
        width, height = picture.size
        picture.crop((2, 2, width - 2, height - 2)).save(photos / "cut.jpg", quality=90)
    settings = installation_settings(tmp_path)
    alike = {photos / "cat" / "3.jpg", photos / "again.jpg", photos / "cut.jpg"}
    before = {place.photo: place for place in rank(photos, classes=CLASSES, settings=settings)}
    assert [before[photo].reason == REPEATED for photo in sorted(alike)].count(True) == 2
    first_copy = min(place.position for place in before.values() if place.reason == REPEATED)
    assert all(place.reason == REPEATED for place in before.values() if place.position >= first_copy)
    after = {place.photo: place for place in rank(photos, {"again.jpg": "rocket"}, classes=CLASSES, settings=settings)}
    others = [after[photo] for photo in sorted(alike - {photos / "again.jpg"})]
    assert [(place.label, place.reason) for place in others] == [("rocket", REPEATED)] * 2


def test_a_network_of_ones_own_that_knows_nothing_of_imagenet(folder: Path, tmp_path: Path) -> None:
    network = write_network(tmp_path / "own.onnx")
    settings = installation_settings(tmp_path, backbone=str(network), weights_dir=tmp_path / "models")
    before = list(rank(folder, classes=CLASSES, settings=settings))
    assert len(before) == 18
    assert {round(place.probability, 3) for place in before} == {0.333}, "nothing is known before the first label"
    assert all((place.top, place.label) == ([], "") for place in before)
    labels = {f"{name}/{number}.jpg": name for name in CLASSES for number in range(3)}
    after = list(rank(folder, labels, settings=settings))
    assert np.mean([place.label == place.photo.parent.name for place in after]) > 0.6  # colours on a grid tell much


def test_what_is_wrong_is_named(folder: Path, tmp_path: Path) -> None:
    embeddings, _ = clusters(6)
    settings: Settings = installation_settings(tmp_path)
    with pytest.raises(SettingsError, match="classes: name the labels"):
        rank(embeddings)
    with pytest.raises(SettingsError, match=r"labels: 'cap' is none of the classes, did you mean cat\?"):
        rank(embeddings, {0: "cap"}, classes=CLASSES)
    with pytest.raises(NotFoundError, match="no row 6; rows are 0 to 5"):
        rank(embeddings, {6: "cat"})
    with pytest.raises(SettingsError, match=r"shape \[n, d\]"):
        rank(embeddings[0], classes=CLASSES)
    with pytest.raises(NotFoundError, match=r"no photo cat/99\.jpg below"):
        rank(folder, {"cat/99.jpg": "cat"}, settings=settings)
    dynamic = parse_label_config(
        '<View><Image name="i" value="$i"/><Choices name="c" toName="i" value="$options"/></View>'
    )
    with pytest.raises(LabelConfigError, match="write them into the config"):
        rank(folder, classes=dynamic, settings=settings)
