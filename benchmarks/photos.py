"""Embedded photos of known class for the benchmarks: from a folder of class folders, or from a file of embeddings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.simulation.photos import Photos, class_folders


def from_npz(file: Path) -> tuple[Photos, tuple[str, ...]]:
    """Photos and the names of their classes, from arrays `embeddings` [n, d], `labels` [n] and `classes` [L]."""
    with np.load(file, allow_pickle=False) as arrays:
        embeddings = arrays["embeddings"].astype(np.float16)
        labels = arrays["labels"].astype(np.intp)
        classes = tuple(str(name) for name in arrays["classes"])
    digests = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in embeddings)
    return Photos(embeddings, labels, digests), classes


def from_folder(
    directory: Path, *, backbone: str, models_dir: Path, stored: bool = False
) -> tuple[Photos, tuple[str, ...]]:
    """Embed every photo below `directory`, one folder for each class; unreadable photos are left out.

    Their embeddings are what learns sees; with `stored` those that a store holds (see `Backbone.features`).

    Raises:
        NotFoundError: there is no such folder, or it holds fewer than two class folders.
    """
    from backend.features import embed_stream, open_backbone
    from backend.images import find_images

    classes = class_folders(directory)
    files = [(index, file) for index, name in enumerate(classes) for file in find_images(directory / name)]
    opened = open_backbone(backbone, models_dir=models_dir)
    items = ((position, file.read_bytes) for position, (_, file) in enumerate(files))
    rows: dict[int, tuple[str, NDArray[np.float16]]] = {}
    for embedded in embed_stream(opened, items, batch_size=32, decode_threads=2):
        if embedded.embedding is not None and embedded.digest is not None:
            rows[embedded.key] = (embedded.digest, embedded.embedding)
    if not rows:
        raise SystemExit(f"{directory}: no photo could be read")
    kept = sorted(rows)
    labels = np.array([files[position][0] for position in kept], dtype=np.intp)
    embeddings = np.stack([rows[position][1] for position in kept])
    return Photos(
        embeddings if stored else opened.features(embeddings),
        labels,
        tuple(rows[position][0] for position in kept),
    ), classes
