"""Bottlenecks: the embeddings of the photos of class folders, computed once and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.decoding import Decode
from backend.errors import SettingsError
from backend.features import Backbone
from backend.folders.embedding import EmbeddedPhotos, decoder_of, embed_named, read_photo
from backend.progress import CountProgress
from backend.retraining.distortions import distorted_digest, distorted_photo
from backend.retraining.options import Distortions
from backend.settings import Settings
from backend.storage.feature_store import FeatureStore
from backend.storage.opening import open_database

FILE = "bottlenecks.sqlite3"


@contextmanager
def open_bottlenecks(settings: Settings, folder: Path | None) -> Iterator[FeatureStore]:
    """The store of embeddings: that of STATE_DIR, or one in a folder of its own.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        (folder or settings.state_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        option = "--bottleneck-dir" if folder else "STATE_DIR"
        raise SettingsError(f"{option} {folder or settings.state_dir} cannot be made: {error.strerror}.") from None
    if folder is not None:
        settings = settings.model_copy(update={"database_url": f"sqlite:///{(folder / FILE).resolve()}"})
    with open_database(settings) as database:
        yield FeatureStore(database.engine)


def embed_distorted(
    photos: EmbeddedPhotos,
    rows: NDArray[np.intp],
    distortions: Distortions,
    backbone: Backbone,
    store: FeatureStore,
    settings: Settings,
    progress: CountProgress,
) -> tuple[NDArray[np.float16], NDArray[np.intp]]:
    """Embeddings [m, d] of distorted copies of the photos in `rows`, and the row of the photo behind each [m].

    Kept like those of the photos themselves, under a name made of the photo's digest and what was done to it.
    """
    wanted = {
        distorted_digest(photos.digests[row], distortions, variant): (int(row), variant)
        for row in rows
        for variant in range(distortions.variants)
    }
    decode = decoder_of(settings).decode
    read = partial(_distorted, photos, wanted, distortions, backbone, settings, decode)
    items = {name: partial(read, name) for name in wanted}
    found, _ = embed_named(items, backbone, store, settings, progress)
    names = [name for name in wanted if name in found]
    embeddings = (
        np.stack([found[name] for name in names]) if names else np.zeros((0, backbone.spec.embedding_dim), np.float16)
    )
    return embeddings, np.array([wanted[name][0] for name in names], dtype=np.intp)


def _distorted(
    photos: EmbeddedPhotos,
    wanted: Mapping[str, tuple[int, int]],
    distortions: Distortions,
    backbone: Backbone,
    settings: Settings,
    decode: Decode,
    name: str,
) -> bytes:
    row, variant = wanted[name]
    return distorted_photo(
        partial(read_photo, photos.paths[row], settings.max_image_bytes),
        photos.digests[row],
        distortions,
        variant,
        decode,
        backbone.spec.input_size,
    )
