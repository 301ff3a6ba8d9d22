"""Label Studio's JSON export, which its import takes back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from backend.converting.files import PhotoFiles, is_json_of
from backend.converting.format import EVERYTHING, Capability, Format, Names, bad_data, read_json
from backend.converting.records import Box, Dataset, Observation, Photo
from backend.converting.tables import time_of
from backend.files import write_atomically
from backend.images.local_files import IMAGE_SUFFIXES

TAKEN, QUALITY, WIDTH, HEIGHT = "taken", "quality", "image_width", "image_height"
BOXES_CONTROL = "box"
_LOCAL_FILES = "/data/local-files/"


class LabelStudioJson(Format):
    """A list of tasks with annotations: choices, a taxonomy, and boxes. A skipped task is a photo not to be used."""

    name = "label-studio"
    holds = EVERYTHING - {Capability.SCORES, Capability.EMPTY_CLASSES}

    def recognises(self, path: Path) -> bool:
        return is_json_of(path, b"[")

    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        beyond: Counter[str] = Counter()
        photos: dict[str, Photo] = {}
        notes: list[str] = []
        for place, task in enumerate(_tasks(path), start=1):
            name = f"task {task.get('id', place)}"
            data = task.get("data")
            address = _image_of(data, names) if isinstance(data, Mapping) else None
            if address is None or not isinstance(data, Mapping):
                notes.append(f"{name}: no photo in its data")
                continue
            photo = _photo(_path_of(address), data)
            if photo.path in photos:
                notes.append(f"{name}: {photo.path} has another task before it; left out")
                continue
            photos[photo.path] = _annotated(photo, task, beyond)
        notes += [f"{count} {what}" for what, count in beyond.items() if count]
        made = Dataset(tuple(photos.values()), notes=tuple(notes))
        return replace(made, classes=made.used_classes)

    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        notes: list[str] = []
        tasks = [_task(photo, names, notes) for photo in dataset.photos]
        write_atomically(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
        return notes


def _tasks(path: Path) -> list[dict[str, Any]]:
    document = read_json(path)
    if not isinstance(document, list) or not all(isinstance(task, dict) for task in document):
        raise bad_data(path, "is no list of tasks, as Label Studio exports with JSON.")
    if document and not any("data" in task for task in document):
        raise bad_data(path, "its tasks have no data: export with JSON, not with JSON-MIN.")
    return document


def _image_of(data: Mapping[str, Any], names: Names) -> str | None:
    wanted = (names.control.data_key,) if names.control else ("image", "photo", "img", "$undefined$")
    for key in wanted:
        if isinstance(data.get(key), str) and data[key]:
            return str(data[key])
    for value in data.values():
        if isinstance(value, str) and Path(urlsplit(value).path).suffix.lower() in IMAGE_SUFFIXES:
            return value
    return None


def _path_of(address: str) -> str:
    """A photo below a folder that Label Studio serves is that file; everything else stays the address it is."""
    if address.startswith(_LOCAL_FILES):
        named = parse_qs(urlsplit(address).query).get("d", [""])[0]
        return named.lstrip("/") or address
    return address


def _address_of(path: str, names: Names) -> str:
    return names.photos_at + quote(path)


def _photo(path: str, data: Mapping[str, Any]) -> Photo:
    try:
        size = (int(data[WIDTH]), int(data[HEIGHT]))
    except (KeyError, TypeError, ValueError):
        size = None
    return Photo(path, taken=time_of(str(data.get(TAKEN) or "")), size=size, quality=str(data.get(QUALITY) or ""))


def _annotated(photo: Photo, task: Mapping[str, Any], beyond: Counter[str]) -> Photo:
    annotations = [item for item in task.get("annotations") or task.get("completions") or () if isinstance(item, dict)]
    given = [item for item in annotations if not item.get("was_cancelled")]
    if not annotations:
        beyond["tasks with predictions only, which are no labels"] += bool(task.get("predictions"))
        return photo
    beyond["tasks with several annotations, of which the newest is taken"] += len(given) > 1
    photo = replace(photo, left_out=not given)
    newest = max(given or annotations, key=lambda item: str(item.get("updated_at") or item.get("created_at") or ""))
    seen: list[Observation] = []
    for result in newest.get("result") or ():
        kind, value = result.get("type"), result.get("value") or {}
        if kind in ("choices", "taxonomy"):
            seen += [Observation(_leaf(item)) for item in value.get(kind) or ()]
        elif kind in ("rectanglelabels", "rectangle"):
            box: Box = (
                value["x"] / 100,
                value["y"] / 100,
                value["width"] / 100,
                value["height"] / 100,
            )
            beyond["boxes are turned, which is left out"] += bool(value.get("rotation"))
            seen += [Observation(str(name), box) for name in value.get("rectanglelabels") or ("",)]
            size = (result.get("original_width"), result.get("original_height"))
            if photo.size is None and all(isinstance(side, int) and side > 0 for side in size):
                photo = replace(photo, size=size)
        else:
            beyond[f"results of type {kind}, left out"] += 1
    return replace(photo, observations=tuple(dict.fromkeys(seen)))


def _leaf(item: Any) -> str:
    """A choice is a name, or with nesting the path to it."""
    return str(item[-1]) if isinstance(item, list) and item else str(item)


def _task(photo: Photo, names: Names, notes: list[str]) -> dict[str, Any]:
    key = names.control.data_key if names.control else "image"
    data: dict[str, Any] = {key: photo.path if photo.is_address else _address_of(photo.path, names)}
    if photo.taken:
        data[TAKEN] = photo.taken
    if photo.quality:
        data[QUALITY] = photo.quality
    if photo.size:
        data |= {WIDTH: photo.size[0], HEIGHT: photo.size[1]}
    result = _whole(photo, names, notes) + [_box(photo, item, names) for item in photo.observations if item.box]
    annotations = [{"result": result, "was_cancelled": photo.left_out}] if result or photo.left_out else []
    return {"data": data, "annotations": annotations}


def _whole(photo: Photo, names: Names, notes: list[str]) -> list[dict[str, Any]]:
    if not photo.labels:
        return []
    if names.control is None:
        value = {"choices": list(photo.labels)}
        return [{"from_name": "label", "to_name": "image", "type": "choices", "value": value}]
    control = names.control
    index = {
        name: place for place, label in enumerate(control.labels) for name in (label.value, label.title, label.path[-1])
    }
    unknown = [label for label in photo.labels if label not in index]
    known = [index[label] for label in photo.labels if label in index]
    notes += [f"{photo.path}: label {label!r} is not in the label config; left out" for label in unknown]
    if len(known) > 1 and not control.multiple:
        notes.append(f"{photo.path}: several labels, and {control.from_name} takes one; left out")
        return []
    return [control.result(known, 1.0)] if known else []


def _box(photo: Photo, item: Observation, names: Names) -> dict[str, Any]:
    x, y, width, height = item.box or (0.0, 0.0, 0.0, 0.0)
    value: dict[str, Any] = {"x": x * 100, "y": y * 100, "width": width * 100, "height": height * 100, "rotation": 0}
    kind = "rectanglelabels" if item.label else "rectangle"
    if item.label:
        value["rectanglelabels"] = [item.label]
    to_name = names.control.to_name if names.control else "image"
    found: dict[str, Any] = {"from_name": BOXES_CONTROL, "to_name": to_name, "type": kind, "value": value}
    if photo.size:
        found |= {"original_width": photo.size[0], "original_height": photo.size[1], "image_rotation": 0}
    return found
