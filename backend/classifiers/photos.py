"""Asking a classifier about photos: from files, folders and addresses, within the limits of the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.classifiers.opening import OpenedClassifier
from backend.decoding import Decode, RgbImage
from backend.errors import ImageError
from backend.folders.embedding import decoder_of, photos_below, read_photo
from backend.images import ImageFetcher, ImagePolicy
from backend.settings import Settings

BATCH = 32
THREADS = 4


@dataclass(frozen=True)
class PhotoSource:
    """A photo by the name that people see, and how its bytes are read."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Answer:
    """What a classifier says of one photo: probabilities float32 [L], or the error that befell the photo."""

    name: str
    probabilities: NDArray[np.float32] | None
    error: ImageError | None = None


def photo_sources(values: Sequence[str], settings: Settings) -> list[PhotoSource]:
    """Photos named by file, folder (all below it) or http(s) address.

    A file that is not there costs only itself: reading it gives the error.

    Raises:
        NotFoundError: a folder holds no photo.
    """
    sources: list[PhotoSource] = []
    fetcher: ImageFetcher | None = None
    for value in values:
        if value.lower().startswith(("http://", "https://")):
            fetcher = fetcher or ImageFetcher(
                ImagePolicy(
                    allowed_hosts=settings.allowed_hosts,
                    max_bytes=settings.max_image_bytes,
                    timeout_seconds=settings.image_timeout_seconds,
                )
            )
            sources.append(PhotoSource(value, partial(fetcher.fetch, value)))
            continue
        path = Path(value).expanduser()
        found = photos_below(path, "--image") if path.is_dir() else [path]
        sources += [PhotoSource(str(item), partial(read_photo, item, settings.max_image_bytes)) for item in found]
    return sources


def ask(classifier: OpenedClassifier, photos: Sequence[PhotoSource], settings: Settings) -> Iterator[Answer]:
    """The answers in the order of the photos; what cannot be read is an answer with an error."""
    decode = decoder_of(settings).decode
    remaining = iter(photos)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="decode") as threads:
        while batch := list(islice(remaining, BATCH)):
            pictures = list(threads.map(partial(_picture, classifier, decode), batch))
            sound = [picture for picture in pictures if isinstance(picture, np.ndarray)]
            rows = iter(classifier.run(np.stack(sound)) if sound else ())
            for photo, picture in zip(batch, pictures, strict=True):
                if isinstance(picture, ImageError):
                    yield Answer(photo.name, None, picture)
                else:
                    yield Answer(photo.name, next(rows))


def _picture(classifier: OpenedClassifier, decode: Decode, photo: PhotoSource) -> RgbImage | ImageError:
    try:
        return decode(photo.read(), classifier.size, fit=classifier.fit, crop=classifier.crop)
    except ImageError as error:
        return error
