"""Embedded photos of known class for the benchmarks: from a folder of class folders, or from a file of embeddings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos whose class is known.

    Attributes:
        embeddings: float16 [n, d].
        labels: int [n], place of the class in `classes`.
        classes: names of the L classes.
        digests: a stable name of each photo.
    """

    embeddings: NDArray[np.float16]
    labels: NDArray[np.intp]
    classes: tuple[str, ...]
    digests: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> LabelledPhotos:
        """Some of the photos, with all classes."""
        return LabelledPhotos(
            self.embeddings[rows], self.labels[rows], self.classes, tuple(self.digests[row] for row in rows)
        )


def from_npz(file: Path) -> LabelledPhotos:
    """Read `embeddings` [n, d], `labels` [n] and `classes` [L] from an npz file (no pickled objects)."""
    with np.load(file, allow_pickle=False) as arrays:
        embeddings = arrays["embeddings"].astype(np.float16)
        labels = arrays["labels"].astype(np.intp)
        classes = tuple(str(name) for name in arrays["classes"])
    digests = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in embeddings)
    return LabelledPhotos(embeddings, labels, classes, digests)


def from_folder(directory: Path, *, backbone: str, models_dir: Path) -> LabelledPhotos:
    """Embed every photo below `directory`, which holds one folder for each class; unreadable photos are left out."""
    from backend.features import embed_stream, open_backbone
    from backend.images import find_images

    folders = sorted(folder for folder in directory.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if len(folders) < 2:
        raise SystemExit(f"{directory}: holds {len(folders)} class folders, at least 2 are needed")
    files = [(index, file) for index, folder in enumerate(folders) for file in find_images(folder)]
    opened = open_backbone(backbone, models_dir=models_dir)
    items = ((position, file.read_bytes) for position, (_, file) in enumerate(files))
    rows: dict[int, tuple[str, NDArray[np.float16]]] = {}
    for embedded in embed_stream(opened, items, batch_size=32, decode_threads=2):
        if embedded.embedding is not None and embedded.digest is not None:
            rows[embedded.key] = (embedded.digest, embedded.embedding)
    if not rows:
        raise SystemExit(f"{directory}: no photo could be read")
    kept = sorted(rows)
    return LabelledPhotos(
        np.stack([rows[position][1] for position in kept]),
        np.array([files[position][0] for position in kept], dtype=np.intp),
        tuple(folder.name for folder in folders),
        tuple(rows[position][0] for position in kept),
    )


def halves(photos: LabelledPhotos, test_share: float) -> tuple[LabelledPhotos, LabelledPhotos]:
    """Pool and test set, drawn by digest within each class, so that every run and machine has the same."""
    by_digest = np.argsort(np.array(photos.digests), kind="stable")
    pool: list[int] = []
    test: list[int] = []
    for label in range(len(photos.classes)):
        members = by_digest[photos.labels[by_digest] == label]
        cut = round(len(members) * test_share)
        test.extend(members[:cut].tolist())
        pool.extend(members[cut:].tolist())
    return photos.take(np.sort(np.array(pool, dtype=np.intp))), photos.take(np.sort(np.array(test, dtype=np.intp)))
