"""The photos of a retraining: their embeddings, classes and sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import NotFoundError
from backend.features import Backbone
from backend.features.normalise import normalise_parts
from backend.folders.embedding import EmbeddedPhotos, decoder_of, embed_photos, read_photo
from backend.retraining.bottlenecks import embed_distorted
from backend.retraining.class_folders import SIDES, ClassFolders, Side, sides_of
from backend.retraining.listener import Listener
from backend.retraining.options import RetrainOptions
from backend.settings import Settings
from backend.storage.feature_store import FeatureStore


@dataclass(frozen=True)
class Dataset:
    """The readable photos with their classes and sides."""

    classes: tuple[str, ...]
    photos: EmbeddedPhotos
    features: NDArray[np.float16]  # [n, d], what the head sees of each photo
    labels: NDArray[np.intp]
    sides: NDArray[np.str_]

    def rows(self, side: Side) -> NDArray[np.intp]:
        return np.flatnonzero(self.sides == side)

    def counts(self) -> dict[Side, int]:
        """Photos on each side."""
        return {side: len(self.rows(side)) for side in SIDES}

    def targets(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """One row [classes] for each photo, 1 at its class."""
        return np.eye(len(self.classes), dtype=np.float32)[self.labels[rows]]

    def identity(self, options: RetrainOptions, backbone: str) -> str:
        """Equal for two trainings that would take the same steps."""
        parts = [backbone, options.training_steps, options.learning_rate, options.train_batch_size, options.seed]
        parts += [options.eval_step_interval, options.distortions, self.classes]
        photos = list(zip(self.photos.digests, self.labels.tolist(), self.sides.tolist(), strict=True))
        return hashlib.sha256(repr([*parts, photos]).encode()).hexdigest()


def embed_dataset(
    folders: ClassFolders,
    backbone: Backbone,
    store: FeatureStore,
    options: RetrainOptions,
    settings: Settings,
    listen: Listener,
) -> Dataset:
    """Embed the photos and split them.

    Raises:
        NotFoundError: a class has no readable photo to train on.
    """
    photos = embed_photos(
        folders.paths,
        backbone,
        store,
        settings,
        lambda done, total: listen.embedding("Bottlenecks", done, total),
    )
    for path, error in photos.unreadable:
        listen.say(f"left out: {path}: {error}")
    label_of = dict(zip(folders.paths, folders.labels, strict=True))
    labels = np.array([label_of[path] for path in photos.paths], dtype=np.intp)
    sides = np.array(
        sides_of(options.image_dir, photos.paths, options.testing_percentage, options.validation_percentage)
    )
    data = Dataset(folders.classes, photos, normalise_parts(photos.embeddings, backbone.spec.widths), labels, sides)
    trained = set(labels[data.rows("training")].tolist())
    lacking = [name for label, name in enumerate(folders.classes) if label not in trained]
    if lacking:
        raise NotFoundError(
            f"{options.image_dir}: no readable photo to train on for {', '.join(lacking)}: add photos, or lower "
            "--testing-percentage and --validation-percentage."
        )
    counts = ", ".join(f"{count} for {side}" for side, count in data.counts().items())
    listen.say(
        f"{len(folders.classes)} classes, {len(photos.paths)} photos: {counts}; {photos.computed} newly embedded"
    )
    return data


def training_rows(
    data: Dataset,
    backbone: Backbone,
    store: FeatureStore,
    options: RetrainOptions,
    settings: Settings,
    listen: Listener,
) -> tuple[NDArray[np.float16], NDArray[np.intp]]:
    """Features and classes to train on: the training photos, and their distorted copies where these are asked for."""
    rows = data.rows("training")
    features, labels = data.features[rows], data.labels[rows]
    if not options.distortions.any:
        return features, labels
    copies, origins = embed_distorted(
        data.photos,
        rows,
        options.distortions,
        backbone,
        store,
        settings,
        lambda done, total: listen.embedding("Distorted copies", done, total),
    )
    return np.concatenate([features, normalise_parts(copies, backbone.spec.widths)]), np.concatenate(
        [labels, data.labels[origins]]
    )


class Pixels:
    """Photos of a dataset as a network takes them."""

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        self._spec = backbone.spec
        self._max_bytes = settings.max_image_bytes
        self._decode = decoder_of(settings).decode

    def some_of(self, data: Dataset, count: int) -> NDArray[np.uint8]:
        """Training photos at equal distances, uint8 [n, size, size, 3]."""
        rows = data.rows("training")
        chosen = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
        return self.of([data.photos.paths[row] for row in chosen], self._spec.input_size)

    def of(self, paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
        """These photos, uint8 [n, size, size, 3]."""
        fit, crop = self._spec.fit, self._spec.crop
        return np.stack(
            [self._decode(read_photo(path, self._max_bytes), (size, size), fit=fit, crop=crop) for path in paths]
        )
