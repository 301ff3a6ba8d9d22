"""The order of a folder of photos, before anything is labelled and without Label Studio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.backbones import open_settings_backbone
from backend.errors import ImageError, LabelConfigError, NotFoundError
from backend.folders.embedding import embed_photos, photos_below
from backend.labels import LabelConfig, LabelSpace, WordNet, ensure_wordnet, imagenet
from backend.learning.pool_model import PoolModel
from backend.priority import Order, OrderOptions, PoolView, order_pool
from backend.progress import CountProgress
from backend.settings import Settings
from backend.storage.feature_store import FeatureStore
from backend.storage.opening import open_database
from backend.zero_shot import zero_shot

TOP = 5


@dataclass(frozen=True)
class Place:
    """One photo and its place in the order.

    Attributes:
        position: 1 = label first.
        priority: [0, 1], 1 = label this sooner.
        components: what the priority was made of, each in [0, 1].
        label: the likeliest label, and its probability.
        top: the likeliest ImageNet classes, as (WordNet id, name).
        reason: why it is at this place; empty beyond the places that were chosen one by one.
    """

    path: Path
    position: int
    priority: float
    components: Mapping[str, float]
    label: str
    probability: float
    top: Sequence[tuple[str, str]]
    reason: str


@dataclass(frozen=True)
class FolderOrder:
    """All readable photos in order, the names of the components, and the photos that could not be read."""

    places: Iterator[Place]
    count: int
    components: tuple[str, ...]
    unreadable: Sequence[tuple[Path, ImageError]]


def order_folder(
    directory: Path, config: LabelConfig, settings: Settings, options: OrderOptions, progress: CountProgress
) -> FolderOrder:
    """Order the photos below `directory` for the first control of `config` that has labels.

    Embeddings are kept in STATE_DIR, so a second run only reads the files.

    Args:
        progress: told how many photos are read, of how many.

    Raises:
        NotFoundError: the folder is missing, or holds no readable photo.
        LabelConfigError: no control has labels of its own.
        WeightsError, WordNetError: the set-up is not complete and could not be completed.
    """
    paths = photos_below(directory, "--directory")
    control = next((control for control in config.controls if control.labels), None)
    if control is None:
        raise LabelConfigError(
            'The labels of this config come from the tasks\' data (value="$…"), and a folder has none: write them into the config.'
        )
    wordnet = WordNet.open(_wordnet_folder(settings))
    space = LabelSpace(control, wordnet)
    backbone = open_settings_backbone(settings)
    with open_database(settings) as database:
        embedded = embed_photos(paths, backbone, FeatureStore(database.engine), settings, progress)
    if not embedded.paths:
        first, error = embedded.unreadable[0]
        raise NotFoundError(
            f"None of the {len(paths)} photos below {directory} can be read; the first, {first}: {error}"
        )
    known = zero_shot(backbone, [space], embedded.embeddings, settings.relevance, wordnet, top=TOP)
    model = PoolModel(backbone.features(embedded.embeddings), known.priors[0], seed=options.seed)
    tree = space.tree
    order = order_pool(
        PoolView(
            space=model.space,
            probabilities=model.prior,
            labelled=np.zeros(len(embedded.paths), dtype=bool),
            digests=embedded.digests,
            membership=tree.membership,
            node_names=space.node_titles,
            label_names=tuple(label.title for label in control.labels),
            relevance=known.relevance,
            unknown=known.unknown,
            neighbours=model.neighbours,
            similarities=model.similarities,
            rng_seed=options.seed,
        ),
        options,
    )
    labels = [label.value for label in control.labels]
    places = _places(order, embedded.paths, model.prior, labels, known.top)
    return FolderOrder(places, len(embedded.paths), tuple(order.components), embedded.unreadable)


def _wordnet_folder(settings: Settings) -> Path:
    folder = settings.resolved_wordnet_dir
    ensure_wordnet(folder)
    return folder


def _places(
    order: Order, paths: Sequence[Path], prior: NDArray[np.float32], labels: Sequence[str], top: NDArray[np.intp]
) -> Iterator[Place]:
    for place, row in enumerate(order.rows):
        best = int(prior[row].argmax())
        wnids = [imagenet.wnid_of(int(index)) for index in top[row]]
        yield Place(
            path=paths[row],
            position=place + 1,
            priority=float(order.priority[place]),
            components={name: float(values[place]) for name, values in order.components.items()},
            label=labels[best],
            probability=float(prior[row, best]),
            top=[(wnid, imagenet.name_of(wnid)) for wnid in wnids],
            reason=order.reasons[place] if place < len(order.reasons) else "",
        )
