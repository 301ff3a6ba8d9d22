"""Photos of known class for the simulation: folders of class folders, embedded once and kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.decoding import Decode
from backend.errors import ImageError, NotFoundError
from backend.features import Backbone, embed_stream
from backend.images import find_images
from backend.labels import LabelSpace, WordNet, flat_config, parse_label_config
from backend.storage.feature_store import FeatureStore
from backend.zero_shot import pool_weights, zero_shot

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]

NOT_RELEVANT = "Not relevant"
DISTRACTOR = -1


@dataclass(frozen=True)
class Photos:
    """n embedded photos.

    Attributes:
        embeddings: float16 [n, d].
        labels: int [n], true class; `DISTRACTOR` = none of them, the annotator answers `Not relevant`.
        digests: a stable name of each photo (sha-256).
        prior: float32 [n, L], beliefs before any annotation, rows sum to 1; None: uniform.
        relevance: float32 [n] in [0, 1], 1 = belongs to the project; None: no filter is set.
        unknown: float32 [n] in [0, 1], 1 = most unlike what the backbone was trained on.
        crowd_prior: float32 [n, L], as `prior`, by the weights of ImageNet classes; None: as `prior`.
        depicted: bool [L], labels that ImageNet has classes of; None: not known.
    """

    embeddings: NDArray[np.float16]
    labels: IntArray
    digests: tuple[str, ...]
    prior: FloatArray | None = None
    relevance: FloatArray | None = None
    unknown: FloatArray | None = None
    crowd_prior: FloatArray | None = None
    depicted: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return int(self.labels.size)

    def take(self, rows: IntArray) -> Photos:
        """Some of the photos."""
        return Photos(
            self.embeddings[rows],
            self.labels[rows],
            tuple(self.digests[row] for row in rows),
            None if self.prior is None else self.prior[rows],
            None if self.relevance is None else self.relevance[rows],
            None if self.unknown is None else self.unknown[rows],
            None if self.crowd_prior is None else self.crowd_prior[rows],
            self.depicted,
        )

    def and_also(self, others: Photos) -> Photos:
        """These photos followed by others."""

        def joined(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
            return None if first is None or second is None else np.concatenate([first, second])

        return Photos(
            np.concatenate([self.embeddings, others.embeddings]),
            np.concatenate([self.labels, others.labels]),
            self.digests + others.digests,
            joined(self.prior, others.prior),
            joined(self.relevance, others.relevance),
            joined(self.unknown, others.unknown),
            joined(self.crowd_prior, others.crowd_prior),
            self.depicted,
        )


@dataclass(frozen=True)
class Hierarchy:
    """The label hierarchy: bool or sparse [L, T] membership and the T nodes' names; None: flat."""

    membership: object = None
    node_names: tuple[str, ...] = ()


def class_folders(directory: Path) -> tuple[str, ...]:
    """Names of the class folders in `directory`, sorted.

    Raises:
        NotFoundError: there is no such folder, or it holds fewer than two class folders.
    """
    if not directory.is_dir():
        raise NotFoundError(f"There is no folder {directory}: give an existing one.")
    names = sorted(item.name for item in directory.iterdir() if item.is_dir() and not item.name.startswith("."))
    if len(names) < 2:
        raise NotFoundError(f"{directory} holds {len(names)} class folders, at least 2 are needed: one for each class.")
    return tuple(names)


def embed_folder(
    directory: Path,
    classes: Sequence[str] | None,
    backbone: Backbone,
    store: FeatureStore,
    progress: Callable[[int, int], None],
    decode: Decode | None = None,
) -> Photos:
    """Embed the photos of a folder; stored ones are not computed again, unreadable ones are left out and logged.

    Args:
        classes: names of the class folders; None: all photos are distractors.
        progress: told how many photos are done, of how many.
        decode: makes pixels of the bytes of an image; a `Decoder` with the default limits unless told.

    Raises:
        NotFoundError: the folder is missing, has a class folder that `classes` has not, or no readable photo.
    """
    if classes is None:
        if not directory.is_dir():
            raise NotFoundError(f"There is no folder {directory}: give an existing one.")
        files = [(path, DISTRACTOR) for path in find_images(directory)]
    else:
        unknown = sorted(set(class_folders(directory)) - set(classes))
        if unknown:
            raise NotFoundError(f"{directory} has class folders that the pool has not: {', '.join(unknown)}")
        folders = [(label, directory / name) for label, name in enumerate(classes) if (directory / name).is_dir()]
        files = [(path, label) for label, folder in folders for path in find_images(folder)]
    items = ((place, partial(_read, path)) for place, (path, _) in enumerate(files))
    found: dict[int, tuple[str, NDArray[np.float16]]] = {}
    fresh: list[tuple[str, NDArray[np.float16]]] = []
    for done, item in enumerate(
        embed_stream(backbone, items, known=lambda wanted: store.get(wanted, backbone.id), decode=decode), start=1
    ):
        if item.digest is None or item.embedding is None:
            log.warning("%s is left out: %s", files[item.key][0], item.error)
        else:
            found[item.key] = (item.digest, item.embedding)
            if not item.was_known:
                fresh.append((item.digest, item.embedding))
        if len(fresh) >= 256:  # stored as it goes: a run that is broken off loses little
            store.put(backbone.id, fresh)
            fresh = []
        progress(done, len(files))
    store.put(backbone.id, fresh)
    if not found:
        raise NotFoundError(f"No readable photo below {directory}.")
    kept = sorted(found)
    return Photos(
        np.stack([found[place][1] for place in kept]),
        np.array([files[place][1] for place in kept], dtype=np.intp),
        tuple(found[place][0] for place in kept),
    )


def label_space(classes: Sequence[str], wordnet: WordNet, *, distractors: bool) -> LabelSpace:
    """The label space of a flat config with one choice for each class, and `Not relevant` where there are distractors."""
    names = [*readable(classes), *([NOT_RELEVANT] if distractors else [])]
    return LabelSpace(parse_label_config(flat_config(names)).controls[0], wordnet)


def readable(classes: Sequence[str]) -> tuple[str, ...]:
    """Folder names as label names: underscores are spaces."""
    return tuple(name.replace("_", " ").strip() for name in classes)


def with_zero_shot(photos: Photos, backbone: Backbone, space: LabelSpace, relevance: Sequence[str]) -> Photos:
    """The photos as what learns sees them, with what ImageNet and WordNet say of them before any annotation.

    They are weighed as a pool: give all of it.
    """
    weights = pool_weights(backbone, photos.embeddings)
    known = zero_shot(backbone, [space], photos.embeddings, relevance, space.wordnet, weights=weights)
    return replace(
        photos,
        embeddings=backbone.features(photos.embeddings),
        prior=known.priors[0],
        unknown=known.unknown,
        relevance=known.relevance,
        crowd_prior=known.crowd_priors[0] if known.crowd_priors else None,
        depicted=space.depicted,
    )


def split_by_class(photos: Photos, seed: int, *, share: float = 0.5) -> tuple[Photos, Photos]:
    """A random share (half) of each class as the pool, the rest as the test set; distractors all go to the pool.

    The parts are the same with distractors and without, so that both can be compared.
    """
    rng = np.random.default_rng(seed)
    pool: list[IntArray] = []
    test: list[IntArray] = []
    for label in np.unique(photos.labels):
        rows = np.flatnonzero(photos.labels == label)
        if label != DISTRACTOR:
            rows = rng.permutation(rows)
        taken = rows.size if label == DISTRACTOR else math.ceil(share * rows.size)
        pool.append(rows[:taken])
        test.append(rows[taken:])
    return photos.take(np.sort(np.concatenate(pool))), photos.take(np.sort(np.concatenate(test)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}", reason="unreadable") from None
