"""A plain CSV: a row for each observation, or one with an empty label for a photo without any.

Reads the CSV export of Label Studio and tables of other programs as well, by their usual names of columns.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from backend.active_learning.timelapse import TRUE
from backend.converting.files import PhotoFiles
from backend.converting.format import EVERYTHING, Capability, Format, Names, bad_data
from backend.converting.records import Box, Dataset, Observation, Photo
from backend.converting.tables import Row, header_of, read_table, share, table_text, time_of
from backend.files import write_atomically

COLUMNS = (
    *("file", "label", "x", "y", "width", "height", "score"),
    *("taken", "image_width", "image_height", "left_out", "quality"),
)
_FILE = ("file", "image", "photo", "path", "filename", "file_name", "filepath", "url")
_LABEL = ("label", "class", "category", "choice", "species")


class CsvFile(Format):
    """Columns file, label, a box as shares of the photo, and what else is known."""

    name = "csv"
    holds = EVERYTHING - {Capability.EMPTY_CLASSES}

    def recognises(self, path: Path) -> bool:
        columns = header_of(path) if path.suffix.lower() in (".csv", ".tsv", ".txt") else []
        return any(name in columns for name in _FILE) and "relativepath" not in columns

    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        columns, rows = read_table(path)
        file = next((name for name in _FILE if name in columns), None)
        label = next((name for name in _LABEL if name in columns), None)
        if file is None:
            raise bad_data(path, f"no column of photos ({', '.join(_FILE)}); it has: {', '.join(columns)}.")
        photos: dict[str, Photo] = {}
        notes = [] if label else [f"{path.name}: no column of labels ({', '.join(_LABEL)}): photos are unlabelled"]
        for number, row in enumerate(rows, start=2):
            key = row.get(file, "").replace("\\", "/")
            if not key:
                notes.append(f"{path.name}, row {number}: no photo")
                continue
            try:
                photo = photos.get(key) or _photo(key, row)
                seen = [*photo.observations, *_observations(row, row.get(label, "") if label else "")]
            except ValueError as error:
                notes.append(f"{path.name}, row {number}: {error}")
                continue
            photos[key] = replace(photo, observations=tuple(dict.fromkeys(seen)))
        made = Dataset(tuple(photos.values()), notes=tuple(notes))
        return replace(made, classes=made.used_classes)

    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        rows: list[tuple[object, ...]] = []
        for photo in dataset.photos:
            known = (photo.taken, *(photo.size or (None, None)), "true" if photo.left_out else "", photo.quality)
            for item in photo.observations or (Observation(""),):
                rows.append((photo.path, item.label, *(item.box or (None,) * 4), item.score, *known))
        write_atomically(path, table_text(COLUMNS, rows))
        return []


def _photo(key: str, row: Row) -> Photo:
    width, height = row.get("image_width", ""), row.get("image_height", "")
    quality = row.get("quality") or row.get("imagequality", "")
    return Photo(
        key,
        taken=time_of(row.get("taken") or row.get("datetime", "")),
        size=(int(width), int(height)) if width and height else None,
        left_out=(row.get("left_out") or row.get("deleteflag", "")).lower() in TRUE,
        quality="" if quality.lower() == "ok" else quality,
    )


def _observations(row: Row, label: str) -> list[Observation]:
    score = share(row.get("score") or row.get("probability", ""))
    cells = [row.get(name, "") for name in ("x", "y", "width", "height")]
    if all(cells):
        x, y, width, height = (share(cell) or 0.0 for cell in cells)
        box: Box = (x, y, width, height)
        return [Observation(label, box, score)]
    return [Observation(name, None, score) for name in _names(label)]


def _names(label: str) -> list[str]:
    """One label, or those of a cell as Label Studio's export has it: `{"choices": ["fox", "hare"]}`."""
    if label.startswith("{"):
        try:
            found = json.loads(label).get("choices")
        except ValueError:
            found = None
        if isinstance(found, list):
            return [str(name) for name in found]
    return [label] if label else []
