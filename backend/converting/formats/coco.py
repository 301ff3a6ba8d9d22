"""COCO, and COCO Camera Traps, whose annotations may stand for the whole photo."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.converting.files import PhotoFiles, is_json_of
from backend.converting.format import EVERYTHING, Capability, Format, Names, bad_data, read_json
from backend.converting.records import Box, Dataset, Observation, Photo
from backend.converting.tables import time_of
from backend.files import write_atomically


class Coco(Format):
    """One JSON file: images, categories, and annotations with boxes in pixels, or without any for the whole photo."""

    name = "coco"
    holds = EVERYTHING - {Capability.LEFT_OUT, Capability.QUALITY, Capability.UNNAMED_BOXES}
    needs_sizes_of_boxes = True

    def recognises(self, path: Path) -> bool:
        return is_json_of(path, b"{")

    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        document = _document(path)
        notes: list[str] = []
        category = {item.get("id"): str(item.get("name", "")) for item in document.get("categories") or ()}
        photos: dict[Any, Photo] = {}
        for item in document["images"]:
            name = str(item.get("file_name") or item.get("coco_url") or "").replace("\\", "/")
            if not name:
                notes.append(f"image {item.get('id')}: no file_name")
                continue
            width, height = item.get("width"), item.get("height")
            size = (int(width), int(height)) if width and height else None
            photos[item.get("id")] = Photo(name, taken=time_of(str(item.get("date_captured") or "")), size=size)
        beyond: Counter[str] = Counter()
        for item in document.get("annotations") or ():
            photo = photos.get(item.get("image_id"))
            label = category.get(item.get("category_id"), "")
            if photo is None or not label:
                notes.append(f"annotation {item.get('id')}: its {'category' if photo else 'image'} is not in the file")
                continue
            beyond.update(name for name in ("segmentation", "keypoints") if item.get(name))
            try:
                seen = Observation(label, _shares(photo, item.get("bbox"), files), _score(item.get("score")))
            except (TypeError, ValueError) as error:
                notes.append(f"annotation {item.get('id')} of {photo.path}: {error}")
                continue
            photos[item["image_id"]] = replace(photo, observations=(*photo.observations, seen))
        notes += [f"{count} annotations have {what}, of which only the box is taken" for what, count in beyond.items()]
        made = Dataset(tuple(photos.values()), notes=tuple(notes))
        return replace(made, classes=tuple(sorted({*filter(None, category.values()), *made.used_classes})))

    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        number = {label: place for place, label in enumerate(dataset.classes, start=1)}
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for place, photo in enumerate(dataset.photos, start=1):
            image: dict[str, Any] = {"id": place, "file_name": photo.path}
            if photo.size:
                image |= {"width": photo.size[0], "height": photo.size[1]}
            if photo.taken:
                image["date_captured"] = photo.taken
            images.append(image)
            for item in photo.observations:
                annotation = {"id": len(annotations) + 1, "image_id": place, "category_id": number[item.label]}
                annotations.append(annotation | _box_in_pixels(photo, item))
        categories = [{"id": place, "name": label} for label, place in number.items()]
        info = {"description": names.title}
        document = {"info": info, "images": images, "categories": categories, "annotations": annotations}
        write_atomically(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return []

    def problem(self, photo: Photo) -> str | None:
        if photo.size is None and any(item.box for item in photo.observations):
            return "it has boxes, and its size in pixels is not known (--photos names the folder of the photos)"
        return None


def _document(path: Path) -> dict[str, Any]:
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise bad_data(path, "has no list of images, as COCO has.")
    return document


def _shares(photo: Photo, bbox: Any, files: PhotoFiles) -> Box | None:
    if not bbox:
        return None
    size = photo.size or files.size_of(photo.path)
    if size is None:
        raise ValueError("it has a box, and the photo's size is not known (--photos names the folder of the photos)")
    x, y, width, height = (float(number) for number in bbox)
    if width < 0 or height < 0:
        raise ValueError(f"its box {bbox} is none")
    return x / size[0], y / size[1], width / size[0], height / size[1]


def _box_in_pixels(photo: Photo, item: Observation) -> dict[str, Any]:
    found: dict[str, Any] = {} if item.score is None else {"score": item.score}
    if item.box is None or photo.size is None:
        return found
    x, y, width, height = item.box
    across, down = photo.size
    bbox = [x * across, y * down, width * across, height * down]
    return found | {"bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}


def _score(value: Any) -> float | None:
    return None if value is None else min(1.0, max(0.0, float(value)))
