"""What is asked about: photos below a folder, or the crops of their detections."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.decoding import Decode
from backend.errors import BackendError, ImageError
from backend.features import Backbone
from backend.folders.embedding import decoder_of, embed_named, embed_photos, read_photo
from backend.images import sha256_digest
from backend.progress import CountProgress
from backend.settings import Settings
from backend.storage.feature_store import FeatureStore

Box = tuple[float, float, float, float]

CROP_MARGIN = 0.05  # of the box's longer side, on every side of it
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Item:
    """A photo, or a part of one.

    Attributes:
        key: its path below the root with `/` between the parts; a crop has a name of its own beside its photo's.
        path: the photo's file.
        box: x, y, width, height as shares of the photo, [0, 1]; None: the whole photo.
        digest: hex sha-256 that the embedding is kept under.
    """

    key: str
    path: Path
    box: Box | None
    digest: str


@dataclass(frozen=True)
class Collected:
    """The readable items with their embeddings float16 [n, d], those left out, and photos without any detection."""

    items: list[Item]
    embeddings: NDArray[np.float16]
    unreadable: list[tuple[Path, ImageError]]
    empty: list[str]


def key_of(root: Path, path: Path) -> str:
    """A photo's path below the root."""
    return path.relative_to(root).as_posix()


def crop_key(photo: str, number: int) -> str:
    """The name of a photo's crop: `camera1/IMG_7.jpg` gives `camera1/IMG_7.crop0.jpg`."""
    path = PurePosixPath(photo)
    return str(path.with_name(f"{path.stem}.crop{number}.jpg"))


def collect(
    root: Path,
    paths: Sequence[Path],
    backbone: Backbone,
    store: FeatureStore,
    settings: Settings,
    progress: CountProgress,
    *,
    detections: Mapping[str, Sequence[Box]] | None = None,
) -> Collected:
    """Embed the photos, or with `detections` (boxes by photo key) their crops; a photo without a box is empty."""
    if detections is None:
        photos = embed_photos(paths, backbone, store, settings, progress)
        items = [
            Item(key_of(root, path), path, None, digest)
            for path, digest in zip(photos.paths, photos.digests, strict=True)
        ]
        return Collected(items, photos.embeddings, photos.unreadable, [])
    items, empty, unreadable = [], [], []
    for path in paths:
        key = key_of(root, path)
        boxes = detections.get(key, ())
        if not boxes:
            empty.append(key)
            continue
        try:
            digest = sha256_digest(read_photo(path, settings.max_image_bytes))
        except ImageError as error:
            unreadable.append((path, error))
            continue
        for number, box in enumerate(boxes):
            name = hashlib.sha256(f"{digest} crop {box} {CROP_MARGIN}".encode()).hexdigest()
            items.append(Item(crop_key(key, number), path, box, name))
    decode = decoder_of(settings).decode
    readers: dict[str, Callable[[], bytes]] = {
        item.digest: partial(picture_of, item, decode, settings.max_image_bytes) for item in items
    }
    found, failed = embed_named(readers, backbone, store, settings, progress)
    unreadable += list(
        {item.path: (item.path, failed[item.digest]) for item in items if item.digest in failed}.values()
    )
    items = [item for item in items if item.digest in found]
    width = backbone.spec.embedding_dim
    embeddings = np.stack([found[item.digest] for item in items]) if items else np.zeros((0, width), np.float16)
    return Collected(items, embeddings, unreadable, empty)


def picture_of(item: Item, decode: Decode, max_bytes: int) -> bytes:
    """The encoded picture of an item: the photo's file, or its crop as a JPEG.

    Raises:
        ImageError: the photo cannot be read.
    """
    data = read_photo(item.path, max_bytes)
    if item.box is None:
        return data
    pixels = decode(data, None, fit="squash", crop=1.0)
    height, width = pixels.shape[:2]
    x, y, box_width, box_height = item.box
    margin = CROP_MARGIN * max(box_width * width, box_height * height)
    left, top = max(0, math.floor(x * width - margin)), max(0, math.floor(y * height - margin))
    right = min(width, max(left + 1, math.ceil((x + box_width) * width + margin)))
    bottom = min(height, max(top + 1, math.ceil((y + box_height) * height + margin)))
    buffer = io.BytesIO()
    Image.fromarray(pixels[top:bottom, left:right]).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def read_detections(path: Path, confidence: float) -> dict[str, list[Box]]:
    """Boxes by photo from MegaDetector's batch output, those of at least `confidence` in [0, 1].

    Raises:
        BackendError: it is no such file; names what is wrong.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        found: dict[str, list[Box]] = {}
        for image in document["images"]:
            boxes = [_box(item) for item in image.get("detections") or () if float(item["conf"]) >= confidence]
            found[str(image["file"]).replace("\\", "/").removeprefix("./")] = boxes
    except OSError as error:
        raise BackendError(f"--detections {path} cannot be read: {error.strerror}.", reason="bad_detections") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackendError(
            f"--detections {path}: not the JSON that MegaDetector writes ({type(error).__name__}: {error}).",
            reason="bad_detections",
        ) from None
    return found


def _box(item: Mapping[str, Any]) -> Box:
    x, y, width, height = (float(value) for value in item["bbox"])
    if not all(math.isfinite(value) for value in (x, y, width, height)) or width <= 0 or height <= 0:
        raise ValueError(f"bbox {item['bbox']}")
    return x, y, width, height
