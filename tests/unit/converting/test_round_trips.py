from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backend.collecting.lists import folder_name
from backend.converting import Dataset
from backend.converting.files import PhotoFiles
from backend.converting.format import Capability, Format, Names
from backend.converting.formats import FORMATS
from backend.converting.reduction import reduced_to
from tests.unit.converting.datasets import assert_same, datasets

pytestmark = pytest.mark.unit

TEXTUAL = [entry for entry in FORMATS.values() if entry.name != "folders"]
ENDINGS = {"label-studio": ".json", "coco": ".json", "csv": ".csv", "timelapse": ".csv"}


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def through(entry: Format, dataset: Dataset, root: Path) -> Dataset:
    """Written and read again; the format knows its own file."""
    path = root / f"{entry.name}{ENDINGS.get(entry.name, '')}"
    entry.write(dataset, path, PhotoFiles(root), Names())
    if dataset.photos:
        assert next(other for other in FORMATS.values() if other.recognises(path)) is entry
    found = entry.read(path, PhotoFiles(root), Names())
    assert found.notes == ()
    return found


@pytest.mark.parametrize("entry", TEXTUAL, ids=lambda entry: entry.name)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets())
def test_a_format_gives_back_all_that_it_can_hold(entry: Format, dataset: Dataset) -> None:
    kept, _ = reduced_to(dataset, entry)
    assert reduced_to(kept, entry) == (kept, [])
    with folder() as root:
        assert_same(through(entry, kept, root), kept)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets(), way=st.lists(st.sampled_from(TEXTUAL), min_size=2, max_size=3))
def test_a_way_through_formats_loses_only_what_they_said(dataset: Dataset, way: list[Format]) -> None:
    with folder() as root:
        for entry in way:
            dataset, _ = reduced_to(dataset, entry)
            dataset = through(entry, dataset, root)
            assert reduced_to(dataset, entry)[1] == []


@settings(max_examples=100, deadline=None)
@given(dataset=datasets(), entry=st.sampled_from(list(FORMATS.values())))
def test_what_is_lost_is_said(dataset: Dataset, entry: Format) -> None:
    kept, said = reduced_to(dataset, entry)
    told = replace(dataset, photos=tuple(replace(photo, size=None) for photo in dataset.photos))
    same = replace(kept, photos=tuple(replace(photo, size=None) for photo in kept.photos)) == told
    assert same == (said == [])


@settings(max_examples=25, deadline=None)
@given(dataset=datasets())
def test_class_folders_give_back_their_photos(dataset: Dataset) -> None:
    entry = FORMATS["folders"]
    kept, _ = reduced_to(dataset, entry)
    assume(any(folder_name(label) == label for label in kept.classes))
    with folder() as root:
        there = []
        for photo in kept.photos:
            file = root / "photos" / photo.path
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(photo.path.encode())
                there.append(photo)
            except OSError:  # a name that is a folder's and a photo's, or is too long
                continue
        files = PhotoFiles(root / "photos")
        notes = entry.write(kept, root / "classes", files, Names())
        found = entry.read(root / "classes", files, Names())
        assert found.classes == tuple(label for label in kept.classes if folder_name(label) == label)
        unwritten = [note for note in notes if not note.startswith("class ")]
        assert len(found.photos) == len(kept.photos) - len(unwritten)
        for photo in found.photos:
            (seen,) = photo.observations
            source = (root / "classes" / photo.path).read_bytes().decode()
            assert any(item.path == source and item.observations == (seen,) for item in there)


def test_the_table_of_what_formats_hold() -> None:
    page = Path(__file__).parents[3] / "docs/from-camera-trap-tools.md"
    columns = [
        *(
            Capability.SEVERAL_LABELS,
            Capability.BOXES,
            Capability.SCORES,
            Capability.UNLABELLED,
            Capability.TIMES,
            Capability.LEFT_OUT,
        ),
        *(Capability.QUALITY, Capability.ADDRESSES, Capability.EMPTY_CLASSES),
    ]
    for entry in FORMATS.values():
        cells = " | ".join("yes" if column in entry.holds else "" for column in columns)
        row = f"| `{entry.name}` | {cells} |".replace("  ", " ").replace("|  |", "| |")
        assert row in page.read_text(encoding="utf-8").replace("|  |", "| |"), row
