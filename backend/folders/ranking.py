"""Which photos to label next, for people without a server: from embeddings or a folder, and the labels so far."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.backbones import open_settings_backbone
from backend.errors import ImageError, LabelConfigError, NotFoundError, SettingsError, suggestion
from backend.features import Backbone
from backend.folders.embedding import EmbeddedPhotos, embed_photos, photos_below
from backend.labels import (
    Control,
    LabelConfig,
    LabelSpace,
    WordNet,
    ensure_wordnet,
    flat_config,
    imagenet,
    parse_label_config,
)
from backend.learning.pool_model import PoolModel
from backend.learning.relevance import RelevanceHints
from backend.priority import Order, OrderOptions, PoolView, order_pool
from backend.progress import CountProgress
from backend.settings import Settings, load_settings
from backend.storage.feature_store import FeatureStore
from backend.storage.opening import make_weights_folder, open_database
from backend.zero_shot import ZeroShot, pool_weights, zero_shot

TOP = 5
EVEN = 1e-6  # probabilities that lie no further apart say nothing

Floats = NDArray[np.float32]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Place(Generic[Key]):
    """One photo and its place in the order.

    Attributes:
        photo: its path; of embeddings, its row.
        position: 1 = label first.
        priority: [0, 1], 1 = label this sooner.
        components: what the priority was made of, each in [0, 1].
        label: the likeliest label, and its probability; empty where none is likelier than another.
        top: the likeliest ImageNet classes, as (WordNet id, name); empty where nothing is known of them.
        reason: why it is at this place; empty beyond the places that were chosen one by one.
    """

    photo: Key
    position: int
    priority: float
    components: Mapping[str, float]
    label: str
    probability: float
    top: Sequence[tuple[str, str]]
    reason: str


@dataclass(frozen=True)
class Ranking(Generic[Key]):
    """All photos without a label, in order.

    Attributes:
        places: made as they are asked for; go through them once.
        count: how many there are.
        components: names of the components of the priority.
        unreadable: photos of a folder that could not be read, with the reason.
    """

    places: Iterator[Place[Key]]
    count: int
    components: tuple[str, ...]
    unreadable: Sequence[tuple[Path, ImageError]] = ()

    def __iter__(self) -> Iterator[Place[Key]]:
        return self.places


def rank(
    photos: str | Path | NDArray[np.floating],
    labels: Mapping[Any, str] | None = None,
    *,
    classes: Sequence[str] | LabelConfig | None = None,
    options: OrderOptions | None = None,
    settings: Settings | None = None,
    progress: CountProgress = lambda done, total: None,
) -> Ranking[Any]:
    """What to label next, best first, each with its reason: `for place in rank("photos", classes=["cat", "dog"])`.

    Args:
        photos: a folder, whose sub-folders are read too, or embeddings float [n, d] of your own.
        labels: the answers so far. Of a folder: the path of a photo, absolute or below the folder -> label; of
            embeddings: row -> label. What has a label is not asked about again.
        classes: the labels there may be, or a parsed label config, whose first control with labels counts. By default
            those of `labels`. Of a folder they are looked up in WordNet, which gives each photo a probability before
            any answer; of embeddings nothing is known before.
        options: strategy, window, weights and seed.
        settings: backbone, folders and limits for a folder; from the environment unless given.
        progress: hears how many photos of a folder are read, of how many.

    Raises:
        SettingsError: no class is known, a label is none of the classes, or an option is not allowed.
        NotFoundError: the folder is missing or holds no readable photo, or a label is of a photo that is not there.
        LabelConfigError: no control has labels of its own.
        WeightsError, WordNetError: the set-up is not complete and could not be completed.
    """
    answers = dict(labels or {})
    names = classes if classes is not None else list(dict.fromkeys(answers.values()))
    if not isinstance(names, LabelConfig) and not names:
        raise SettingsError("classes: name the labels there may be, or give labels: nothing is known of any class.")
    chosen = options or OrderOptions(evaluation_share=0.0)  # a server measures on that share; here nobody does
    if isinstance(photos, str | Path):
        config = names if isinstance(names, LabelConfig) else parse_label_config(flat_config(names))
        return rank_folder(Path(photos), config, settings or load_settings(), chosen, progress, answers)
    if isinstance(names, LabelConfig):
        names = [label.value for label in _control_of(names).labels]
    return rank_embeddings(photos, answers, names, chosen)


def rank_folder(
    directory: Path,
    config: LabelConfig,
    settings: Settings,
    options: OrderOptions,
    progress: CountProgress,
    answers: Mapping[str | Path, str],
) -> Ranking[Path]:
    """Order the photos below `directory` for the first control of `config` that has labels.

    Embeddings are kept in STATE_DIR, so a second run only reads the files. Arguments and errors are those of `rank`.
    """
    paths = photos_below(directory, "--directory")
    control = _control_of(config)
    folder = settings.resolved_wordnet_dir
    make_weights_folder(settings)
    ensure_wordnet(folder)
    wordnet = WordNet.open(folder)
    space = LabelSpace(control, wordnet)
    backbone = open_settings_backbone(settings)
    with open_database(settings) as database:
        embedded = embed_photos(paths, backbone, FeatureStore(database.engine), settings, progress)
    if not embedded.paths:
        first, error = embedded.unreadable[0]
        raise NotFoundError(
            f"None of the {len(paths)} photos below {directory} can be read; the first, {first}: {error}"
        )
    weights = pool_weights(backbone, embedded.embeddings)
    known = zero_shot(backbone, [space], embedded.embeddings, settings.relevance, wordnet, weights=weights, top=TOP)
    values = [label.value for label in control.labels]
    rows, targets = _targets(_rows_of(directory, embedded, answers), values)
    model = _model_of(backbone, embedded, space, known, options, bool(rows.size))
    order, probabilities = _order(model, rows, targets, options, space=space, digests=embedded.digests, known=known)
    places = _places(order, embedded.paths, probabilities, values, known.top)
    return Ranking(places, len(order.rows), tuple(order.components), embedded.unreadable)


def rank_embeddings(
    embeddings: NDArray[np.floating], answers: Mapping[int, str], classes: Sequence[str], options: OrderOptions
) -> Ranking[int]:
    """Order the rows of embeddings float [n, d] that have no label; see `rank`."""
    n = len(embeddings)
    if embeddings.ndim != 2 or n == 0:
        raise SettingsError(
            f"photos: embeddings must have the shape [n, d] with n of at least 1, not {embeddings.shape}"
        )
    outside = [row for row in answers if not (isinstance(row, int | np.integer) and 0 <= row < n)]
    if outside:
        raise NotFoundError(f"labels: there is no row {outside[0]!r}; rows are 0 to {n - 1}.")
    rows, targets = _targets({int(row): label for row, label in answers.items()}, classes)
    prior = np.full((n, len(classes)), 1.0 / len(classes), dtype=np.float32)
    model = PoolModel(embeddings, prior, seed=options.seed)
    digests = [hashlib.sha256(np.ascontiguousarray(row).tobytes()).hexdigest() for row in embeddings]
    order, probabilities = _order(model, rows, targets, options, digests=digests, names=tuple(classes))
    places = _places(order, range(n), probabilities, classes, np.zeros((n, 0), np.intp))
    return Ranking(places, len(order.rows), tuple(order.components))


def _control_of(config: LabelConfig) -> Control:
    control = next((control for control in config.controls if control.labels), None)
    if control is None:
        raise LabelConfigError(
            'The labels of this config come from the tasks\' data (value="$…"), and here are none: write them into the config.'
        )
    return control


def _rows_of(directory: Path, embedded: EmbeddedPhotos, answers: Mapping[str | Path, str]) -> dict[int, str]:
    """The rows of the photos that have an answer; those that cannot be read are passed over."""
    row_of = {path.resolve(): row for row, path in enumerate(embedded.paths)}
    unreadable = {path.resolve() for path, _ in embedded.unreadable}
    found = {}
    for name, label in answers.items():
        path = (directory / name).resolve()  # an absolute name stays what it is
        if path in row_of:
            found[row_of[path]] = label
        elif path not in unreadable:
            raise NotFoundError(f"labels: there is no photo {name} below {directory}.")
    return found


def _targets(answers: Mapping[int, str], classes: Sequence[str]) -> tuple[NDArray[np.intp], Floats]:
    """Rows with an answer, ascending, and their one-hot targets [m, L]."""
    number = {name: place for place, name in enumerate(classes)}
    for label in answers.values():
        if label not in number:
            raise SettingsError(f"labels: {label!r} is none of the classes{suggestion(str(label), classes, most=20)}")
    rows = np.array(sorted(answers), dtype=np.intp)
    targets: Floats = np.zeros((rows.size, len(classes)), dtype=np.float32)
    targets[np.arange(rows.size), [number[answers[int(row)]] for row in rows]] = 1.0
    return rows, targets


def _model_of(
    backbone: Backbone,
    embedded: EmbeddedPhotos,
    space: LabelSpace,
    known: ZeroShot,
    options: OrderOptions,
    answered: bool,
) -> PoolModel:
    hints = RelevanceHints(space.irrelevant, known.relevance, known.unknown) if answered else None
    crowds = known.crowd_priors[0] if known.crowd_priors else None
    features = backbone.features(embedded.embeddings)
    prior, depicted = known.priors[0], space.depicted
    return PoolModel(features, prior, seed=options.seed, hints=hints, crowd_prior=crowds, depicted=depicted)


def _order(
    model: PoolModel,
    rows: NDArray[np.intp],
    targets: Floats,
    options: OrderOptions,
    *,
    digests: Sequence[str],
    names: tuple[str, ...] = (),
    space: LabelSpace | None = None,
    known: ZeroShot | None = None,
) -> tuple[Order, Floats]:
    """The order, and the probabilities [n, L] that it was made from."""
    probabilities = model.propagate(rows, targets)
    labelled = np.zeros(len(digests), dtype=bool)
    labelled[rows] = True
    view = PoolView(
        space=model.space,
        probabilities=probabilities if model.unmixed is None else model.unmixed,
        labelled=labelled,
        digests=digests,
        membership=None if space is None else space.tree.membership,
        node_names=() if space is None else space.node_titles,
        label_names=names if space is None else tuple(label.title for label in space.control.labels),
        relevance=model.relevance if rows.size or known is None else known.relevance,
        unknown=None if known is None else known.unknown,
        annotated_probabilities=targets,
        neighbours=model.neighbours,
        similarities=model.similarities,
        same_photo=model.same_photo,
        shown=probabilities,
        rng_seed=options.seed,
    )
    return order_pool(view, options), probabilities


def _places(
    order: Order, photos: Sequence[Key], probabilities: Floats, labels: Sequence[str], top: NDArray[np.intp]
) -> Iterator[Place[Key]]:
    for place, row in enumerate(order.rows):
        best = int(probabilities[row].argmax())
        wnids = [imagenet.wnid_of(int(index)) for index in top[row]]
        yield Place(
            photo=photos[row],
            position=place + 1,
            priority=float(order.priority[place]),
            components={name: float(values[place]) for name, values in order.components.items()},
            label=labels[best] if np.ptp(probabilities[row]) > EVEN else "",
            probability=float(probabilities[row, best]),
            top=[(wnid, imagenet.name_of(wnid)) for wnid in wnids],
            reason=order.reasons[place] if place < len(order.reasons) else "",
        )
