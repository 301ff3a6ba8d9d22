"""Camtrap DP 1.0, the data package for camera traps: deployments, media and observations as CSV with a description.

Source: J. W. Bubnicki et al., "Camtrap DP: an open standard for the FAIR exchange and archiving of camera trap data"
(2023).
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from backend.converting.files import PhotoFiles
from backend.converting.format import EVERYTHING, Capability, Format, Names, bad_data
from backend.converting.records import Box, Dataset, Observation, Photo
from backend.converting.tables import Row, read_table, share, table_text, time_of
from backend.files import write_atomically

DESCRIPTION = "datapackage.json"
_STANDARD = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.1"
_TABLES = ("deployments", "media", "observations")
_DEPLOYMENTS = ("deploymentID", "locationName", "latitude", "longitude", "deploymentStart", "deploymentEnd")
_MEDIA = ("mediaID", "deploymentID", "timestamp", "filePath", "filePublic", "fileName", "fileMediatype")
_OBSERVATIONS = (
    *("observationID", "deploymentID", "mediaID", "eventStart", "eventEnd", "observationLevel", "observationType"),
    *("scientificName", "bboxX", "bboxY", "bboxWidth", "bboxHeight", "classificationMethod"),
    *("classificationProbability", "observationTags"),
)
_TYPES = {
    **dict.fromkeys(("blank", "empty", "nothing"), "blank"),
    **dict.fromkeys(("human", "person", "people"), "human"),
    **{"vehicle": "vehicle", "unknown": "unknown"},
}
_ALLOWED_PATH = re.compile(r"^[^./~](?:(?!\.\.).)*$")  # as the standard's own pattern
_LABEL_TAG = "label:"


class CamtrapDP(Format):
    """A folder with three tables. The first folder of a photo's path is its deployment."""

    name = "camtrap-dp"
    holds = EVERYTHING - {Capability.SIZES, Capability.LEFT_OUT, Capability.QUALITY, Capability.EMPTY_CLASSES}
    is_folder = True
    needs_times = True

    def recognises(self, path: Path) -> bool:
        return (path / DESCRIPTION).is_file() or path.name == DESCRIPTION

    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        folder = path.parent if path.name == DESCRIPTION else path
        _, media = read_table(_table(folder, "media"))
        _, observations = read_table(_table(folder, "observations"))
        notes: list[str] = []
        photos = {
            row.get("mediaid", ""): Photo(row["filepath"], taken=time_of(row.get("timestamp", "")))
            for row in media
            if row.get("filepath")
        }
        beyond: Counter[str] = Counter()
        for row in observations:
            photo = photos.get(row.get("mediaid", ""))
            if photo is None:
                level = row.get("observationlevel") == "event"
                beyond["observations of events, not of single photos" if level else "observations of no photo"] += 1
                continue
            try:
                seen = _observation(row)
            except ValueError as error:
                notes.append(f"observation {row.get('observationid')} of {photo.path}: {error}")
                continue
            if seen is not None:
                photos[row["mediaid"]] = replace(photo, observations=(*photo.observations, seen))
        notes += [f"{count} {what}, left out" for what, count in beyond.items()]
        made = Dataset(tuple(photos.values()), notes=tuple(notes))
        return replace(made, classes=made.used_classes)

    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        times: dict[str, list[str]] = {}
        media: list[Sequence[object]] = []
        observations: list[Sequence[object]] = []
        for place, photo in enumerate(dataset.photos, start=1):
            identifier, deployment = f"media{place:06d}", _deployment(photo)
            at = f"{photo.taken.replace(' ', 'T')}{names.utc_offset}" if photo.taken else ""
            times.setdefault(deployment, []).extend([at] if at else [])
            kind = mimetypes.guess_type(PurePosixPath(photo.path).name)[0] or "image/jpeg"
            file = (photo.path, str(photo.is_address).lower(), PurePosixPath(photo.path).name, kind)
            media.append((identifier, deployment, at, *file))
            for item in photo.observations:
                head = (f"obs{len(observations) + 1:06d}", deployment, identifier, at, at, "media")
                observations.append((*head, *_cells(item)))
        deployments = [
            (name, name, None, None, min(of, default=None), max(of, default=None)) for name, of in times.items()
        ]
        _write(path / "deployments.csv", _DEPLOYMENTS, deployments)
        _write(path / "media.csv", _MEDIA, media)
        _write(path / "observations.csv", _OBSERVATIONS, observations)
        write_atomically(
            path / DESCRIPTION, json.dumps(_description(dataset, names, times), indent=1, ensure_ascii=False) + "\n"
        )
        timeless = sum(not photo.taken for photo in dataset.photos)
        notes = ["fill in latitude and longitude in deployments.csv, and contributors and project in datapackage.json"]
        if any(photo.taken for photo in dataset.photos):
            notes.append(f"the camera's clock is taken to be at {names.utc_offset} (--utc-offset)")
        if timeless:
            notes.append(f"{timeless} photos have no time, which Camtrap DP asks for")
        return notes

    def problem(self, photo: Photo) -> str | None:
        if not _ALLOWED_PATH.match(photo.path):
            return "its path is none that Camtrap DP allows"
        return None


def _table(folder: Path, name: str) -> Path:
    """Where a table is: as the description says, else beside it under its own name."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8-sig"))
        resources = {item.get("name"): item.get("path") for item in description.get("resources") or ()}
    except OSError as error:
        raise bad_data(folder / DESCRIPTION, f"cannot be read: {error.strerror or error}.") from None
    except (ValueError, AttributeError) as error:
        raise bad_data(folder / DESCRIPTION, f"is no description of a data package ({error}).") from None
    named = resources.get(name)
    if not isinstance(named, str) or "://" in named or ".." in Path(named).parts or named.startswith("/"):
        named = f"{name}.csv"
    return folder / named


def _observation(row: Row) -> Observation | None:
    kind = row.get("observationtype", "")
    tags = [tag.strip() for tag in row.get("observationtags", "").split("|")]
    label = next((tag.removeprefix(_LABEL_TAG) for tag in tags if tag.startswith(_LABEL_TAG)), None)
    if label is None:
        label = "" if kind == "unclassified" else row.get("scientificname") or kind
    cells = [row.get(name, "") for name in ("bboxx", "bboxy", "bboxwidth", "bboxheight")]
    box: Box | None = None
    if all(cells):
        x, y, width, height = (share(cell) or 0.0 for cell in cells)
        box = (x, y, width, height)
    if not label and box is None:
        return None
    return Observation(label, box, share(row.get("classificationprobability", "")))


def _cells(item: Observation) -> tuple[object, ...]:
    kind = _TYPES.get(item.label.casefold(), "animal") if item.label else "unclassified"
    name = item.label if kind == "animal" else ""
    tag = f"{_LABEL_TAG}{item.label}" if item.label not in (name, kind, "") else ""
    if kind == "animal" and item.label != item.label.strip():
        tag = f"{_LABEL_TAG}{item.label}"
    method = "human" if item.score is None else "machine"
    return (kind, name, *(item.box or (None,) * 4), method, item.score, tag)


def _deployment(photo: Photo) -> str:
    if photo.is_address or "/" not in photo.path:
        return "deployment"
    return photo.path.partition("/")[0]


def _description(dataset: Dataset, names: Names, times: dict[str, list[str]]) -> dict[str, Any]:
    days = sorted(time[:10] for of in times.values() for time in of)
    species = [label for label in dataset.used_classes if label.casefold() not in _TYPES]
    return {
        "profile": f"{_STANDARD}/camtrap-dp-profile.json",
        "title": names.title,
        "temporal": {"start": days[0], "end": days[-1]} if days else {},
        "taxonomic": [{"scientificName": name} for name in species],
        "resources": [
            {
                "name": name,
                "path": f"{name}.csv",
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": f"{_STANDARD}/{name}-table-schema.json",
            }
            for name in _TABLES
        ],
    }


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    write_atomically(path, table_text(columns, rows))
