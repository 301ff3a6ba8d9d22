"""Embedded photos of known class for the benchmarks: from a folder of class folders, or from a file of embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from backend.features import Backbone, open_backbone
from backend.simulation.photos import Photos, class_folders, embed_folder
from backend.storage.database import Database
from backend.storage.feature_store import FeatureStore


def from_npz(file: Path) -> tuple[Photos, tuple[str, ...]]:
    """Photos and the names of their classes, from arrays `embeddings` [n, d], `labels` [n] and `classes` [L]."""
    with np.load(file, allow_pickle=False) as arrays:
        embeddings = arrays["embeddings"].astype(np.float16)
        labels = arrays["labels"].astype(np.intp)
        classes = tuple(str(name) for name in arrays["classes"])
    digests = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in embeddings)
    return Photos(embeddings, labels, digests), classes


def from_folder(directory: Path, *, backbone: str, state_dir: Path) -> tuple[Photos, tuple[str, ...], Backbone]:
    """Every photo below `directory`, one folder for each class, as it is stored (see `Backbone.features`); and the backbone.

    What was embedded before is in the store of `state_dir`, so that the next run begins at once. Unreadable photos are
    left out.

    Raises:
        NotFoundError: there is no such folder, it holds fewer than two class folders, or no photo of it can be read.
    """
    classes = class_folders(directory)
    opened = open_backbone(backbone, models_dir=state_dir / "models")
    url = f"sqlite:///{(state_dir / 'backend.sqlite3').resolve()}"
    with embedding(opened, state_dir, url, Console(stderr=True)) as embed:
        return embed(directory, classes), classes, opened


@contextmanager
def embedding(
    backbone: Backbone, state_dir: Path, database_url: str, console: Console
) -> Iterator[Callable[[Path, Sequence[str] | None], Photos]]:
    """Gives what embeds the photos of a folder, as `embed_folder` does with its classes; stored ones are only read.

    The console shows how far it is.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    database = Database(database_url)
    try:
        database.migrate()
        store = FeatureStore(database.engine)
        with console.status("embedding") as status:

            def tell(done: int, total: int) -> None:
                status.update(f"embedding {done:,} of {total:,}")

            yield lambda directory, classes: embed_folder(directory, classes, backbone, store, tell)
    finally:
        database.close()
