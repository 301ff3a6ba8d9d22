"""The embeddings of photos on disk: read behind the limits of the settings, computed once, kept in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.decoding import Decoder
from backend.errors import ImageError, NotFoundError
from backend.features import Backbone, embed_stream
from backend.images import find_images
from backend.progress import CountProgress
from backend.settings import Settings
from backend.storage.feature_store import FeatureStore

_STORED_AT_A_TIME = 8  # batches


@dataclass(frozen=True)
class EmbeddedPhotos:
    """The readable photos of a folder, sorted by path, and those that are not.

    Attributes:
        digests: hex sha-256 of each file.
        embeddings: float16 [n, d].
        unreadable: (path, error) of each photo that was left out.
        computed: how many were embedded now; the others were stored.
    """

    paths: list[Path]
    digests: list[str]
    embeddings: NDArray[np.float16]
    unreadable: list[tuple[Path, ImageError]]
    computed: int


def decoder_of(settings: Settings) -> Decoder:
    """A decoder within the limits of the settings; one does for a whole run."""
    return Decoder(max_pixels=settings.max_image_pixels, memory_mb=settings.image_memory_mb)


def photos_below(directory: Path, option: str) -> list[Path]:
    """All photos below a folder, sorted.

    Raises:
        NotFoundError: there is no such folder, or no photo in it; names the command's `option`.
    """
    if not directory.is_dir():
        raise NotFoundError(f"There is no folder {directory}: give an existing one to {option}.")
    paths = find_images(directory)
    if not paths:
        raise NotFoundError(f"No photos below {directory}: give a folder with JPEG, PNG, WebP, GIF, BMP or TIFF files.")
    return paths


def read_photo(path: Path, max_bytes: int) -> bytes:
    """The bytes of a file.

    Raises:
        ImageError: it cannot be read, or is larger than `max_bytes`.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise ImageError(
                f"{size} bytes are more than MAX_IMAGE_BYTES ({max_bytes}): raise it, or shrink the photo",
                reason="too_large",
            )
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}", reason="unreadable") from None


def embed_photos(
    paths: Sequence[Path], backbone: Backbone, store: FeatureStore, settings: Settings, progress: CountProgress
) -> EmbeddedPhotos:
    """Embed the photos that are not stored yet; those that cannot be read are given back with the reason.

    What is embedded is stored as it goes, and when it is broken off (Ctrl-C): the next run goes on from there.
    """
    items = [(path, partial(read_photo, path, settings.max_image_bytes)) for path in paths]
    digests: dict[Path, str] = {}
    unreadable: list[tuple[Path, ImageError]] = []
    computed: set[str] = set()
    progress(0, len(items))
    with _Keeping(store, backbone, settings) as keeping:
        for done, item in enumerate(
            embed_stream(
                backbone,
                items,
                batch_size=settings.batch_size,
                decode_threads=settings.decode_threads,
                known=lambda wanted: store.get(wanted, backbone.id),
                decode=decoder_of(settings).decode,
            ),
            start=1,
        ):
            if item.error is not None:
                unreadable.append((item.key, item.error))
            elif item.digest is not None and item.embedding is not None:
                digests[item.key] = item.digest
                if not item.was_known:
                    keeping.add(item.digest, item.embedding)
                    computed.add(item.digest)
            progress(done, len(items))
    readable = sorted(digests)
    ordered = [digests[path] for path in readable]
    embeddings, found = store.matrix(ordered, backbone.id, backbone.spec.embedding_dim)
    kept = [index for index, there in enumerate(found) if there]
    return EmbeddedPhotos(
        [readable[index] for index in kept],
        [ordered[index] for index in kept],
        embeddings[found],
        sorted(unreadable, key=lambda pair: pair[0]),
        len(computed),
    )


def embed_named(
    items: Mapping[str, Callable[[], bytes]],
    backbone: Backbone,
    store: FeatureStore,
    settings: Settings,
    progress: CountProgress,
) -> tuple[dict[str, NDArray[np.float16]], dict[str, ImageError]]:
    """Embeddings of pictures that are made from photos (crops, distorted copies), kept under names of the caller's.

    Args:
        items: hex sha-256 of what makes the picture -> a function that gives it encoded, or raises ImageError. It is
            called only where nothing is stored under that name.

    Returns:
        float16 [d] by name, and the errors by name.
    """
    found = store.get(list(items), backbone.id)
    failed: dict[str, ImageError] = {}
    missing = [(name, read) for name, read in items.items() if name not in found]
    known = len(found)
    progress(known, len(items))
    with _Keeping(store, backbone, settings) as keeping:
        stream = embed_stream(
            backbone, missing, decode_threads=settings.decode_threads, decode=decoder_of(settings).decode
        )
        for done, item in enumerate(stream, start=known + 1):
            if item.error is not None:
                failed[item.key] = item.error
            elif item.embedding is not None:
                found[item.key] = item.embedding
                keeping.add(item.key, item.embedding)
            progress(done, len(items))
    return found, failed


class _Keeping:
    """Stores embeddings some batches at a time, and the rest at the end, also where it is broken off."""

    def __init__(self, store: FeatureStore, backbone: Backbone, settings: Settings) -> None:
        self._store = store
        self._backbone = backbone.id
        self._most = settings.batch_size * _STORED_AT_A_TIME
        self._waiting: list[tuple[str, NDArray[np.float16]]] = []

    def add(self, name: str, embedding: NDArray[np.float16]) -> None:
        """Keep an embedding under a name."""
        self._waiting.append((name, embedding))
        if len(self._waiting) >= self._most:
            self._store_waiting()

    def _store_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._store.put(self._backbone, waiting)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *broken_off: object) -> None:
        self._store_waiting()
