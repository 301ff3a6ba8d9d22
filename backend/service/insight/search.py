"""Search: photos by likeness to one of the project or any other, by label, a branch of labels or a WordNet name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from backend.errors import BackendError, NotFoundError
from backend.features import embed_stream
from backend.labels import LabelSpace
from backend.labels.association import Associations
from backend.service.context.context import Runtime
from backend.service.insight.coverage import answered_tasks, labels_below
from backend.service.pool.current import current_snapshot
from backend.service.pool.similarity_index import SimilarityIndex, read_similarity_index
from backend.service.pool.snapshot import Snapshot, mass_of
from backend.service.projects.labels import labels_of
from backend.service.projects.tasks import CHUNK, tasks_by_id
from backend.storage.schema import Project

Answered = Literal["any", "no", "yes"]

SAMPLED = 20_000
"""Most photos that are looked at for a name that no label covers: ImageNet's classes are worked out for each."""

STRANGE = 0.5
"""Probability of `Not relevant` from which on a photo counts as a stranger."""


@dataclass(frozen=True)
class Filters:
    """Which photos are searched.

    Attributes:
        answered: those with an answer, without one, or any.
        label: only those believed to be of this label, by its index; None: of any.
        relevant: those that belong, that do not, or any; without a `Not relevant` among the labels all belong.
    """

    answered: Answered = "any"
    label: int | None = None
    relevant: Answered = "any"


EVERYTHING = Filters()


@dataclass(frozen=True)
class SearchResult:
    """Photos in order, the best first.

    Attributes:
        asked: what was looked for, in words.
        label: index of the label that the photos are asked about; None: none in particular.
        photos: task, score (what it means depends on what was asked: cosine or probability), likeliest label, its
            probability in [0, 1], whether it is answered.
    """

    asked: str
    label: int | None
    photos: list[dict[str, Any]]


@dataclass(frozen=True)
class _Pool:
    space: LabelSpace
    snapshot: Snapshot
    answered: NDArray[np.bool_]


def search_task(
    runtime: Runtime, project: Project, task: int, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that look most like that of a task.

    Raises:
        NotFoundError: the task's photo is not in the pool.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    index = _similarity_index(runtime, project)
    row = index.row_of(task)
    if row is None:
        raise NotFoundError(f"The photo of task {task} is not in the pool of project {project.id}: it is still unread.")
    return _alike(runtime, project, index, index.vectors[row], f"photos like task {task}", limit, filters)


def search_photo(
    runtime: Runtime, project: Project, data: bytes, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that look most like any other one, given as the bytes of its file.

    Raises:
        ImageError: the bytes are no photo that can be read.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    index = _similarity_index(runtime, project)
    backbone = runtime.backbone_of(index.backbone)
    # Somebody else's file: decoded in a process of its own, as what has killed a worker before.
    (item,) = embed_stream(
        backbone, [(0, lambda: data)], batch_size=1, decode_threads=1, decode=runtime.decoder.decode_isolated
    )
    if item.error is not None:
        raise item.error
    assert item.embedding is not None
    vector = index.projection.project(backbone.features(item.embedding[None].astype(np.float16)))[0]
    return _alike(runtime, project, index, vector, "photos like yours", limit, filters)


def search_label(
    runtime: Runtime, project: Project, label: int, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that are most probably of a label, by its index.

    Raises:
        NotFoundError: there is no such label.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    pool = _pool(runtime, project)
    if not 0 <= label < pool.space.n_labels:
        raise NotFoundError(f"Project {project.id} has no label {label}.")
    scores = mass_of(pool.snapshot.controls[0].probabilities, [label])
    return _ranked(pool, scores, pool.space.control.labels[label].title, label, limit, filters)


def search_node(
    runtime: Runtime, project: Project, node: int, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that are most probably of any label below a node of the label tree.

    Raises:
        NotFoundError: there is no such node.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    pool = _pool(runtime, project)
    if not 0 <= node < len(pool.space.tree.nodes):
        raise NotFoundError(f"The label tree of project {project.id} has no node {node}.")
    labels = labels_below(pool.space.tree, node)
    scores = mass_of(pool.snapshot.controls[0].probabilities, labels)
    return _ranked(pool, scores, pool.space.tree.nodes[node], None, limit, filters)


def search_name(
    runtime: Runtime, project: Project, name: str, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that show what a name means: a label's, or any noun of WordNet.

    Labels below one of its senses are asked first; where there are none, what ImageNet's classes below it say of at
    most `SAMPLED` photos.

    Raises:
        NotFoundError: WordNet does not know it either, or ImageNet has no class for it.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    pool = _pool(runtime, project)
    wanted = name.strip().casefold()
    titles = [label.title.casefold() for label in pool.space.control.labels]
    if wanted in titles:
        return search_label(runtime, project, titles.index(wanted), limit, filters)
    wordnet = runtime.wordnet
    senses = wordnet.senses(wanted.replace(" ", "_")) if wanted else ()
    if not senses:
        raise NotFoundError(f"Neither a label nor WordNet knows {name.strip()!r}: try another word.", reason="no_name")
    below = frozenset().union(*(wordnet.descendants(sense) | {sense} for sense in senses))
    labels = [index for index, ids in enumerate(pool.space.synsets) if below & set(ids)]
    if labels:
        scores = mass_of(pool.snapshot.controls[0].probabilities, labels)
        only = labels[0] if len(labels) == 1 else None
        return _ranked(pool, scores, name.strip(), only, limit, filters)
    return _ranked(pool, _imagenet_mass(runtime, project, pool, senses, name), name.strip(), None, limit, filters)


def given_tasks(runtime: Runtime, project: Project, tasks: Sequence[int]) -> SearchResult:
    """Some tasks in the order given, as a search finds them; those that are not in the pool are left out."""
    pool = _pool(runtime, project)
    rows = pool.snapshot.rows_of(list(dict.fromkeys(tasks)))
    rows = rows[rows >= 0]
    return SearchResult(
        "chosen photos", None, _described(pool, rows, np.zeros(len(pool.snapshot.task_ids), np.float32))
    )


def _pool(runtime: Runtime, project: Project) -> _Pool:
    snapshot = current_snapshot(runtime, project)
    answered = np.isin(snapshot.task_ids, answered_tasks(runtime, project.id))
    return _Pool(labels_of(runtime, project).spaces[0], snapshot, answered)


def _similarity_index(runtime: Runtime, project: Project) -> SimilarityIndex:
    index = read_similarity_index(runtime, project.id)
    if index is None:
        raise BackendError(
            f"The photos of project {project.id} are still being read. Look again in a minute.", reason="not_ready"
        )
    return index


def _alike(
    runtime: Runtime,
    project: Project,
    index: SimilarityIndex,
    vector: NDArray[np.floating],
    asked: str,
    limit: int,
    filters: Filters,
) -> SearchResult:
    pool = _pool(runtime, project)
    scores = np.full(pool.snapshot.task_ids.size, -1.0, dtype=np.float32)
    rows = pool.snapshot.rows_of(index.task_ids.tolist())
    scores[rows[rows >= 0]] = index.cosines(vector)[rows >= 0]
    return _ranked(pool, scores, asked, None, limit, filters)


def _ranked(
    pool: _Pool, scores: NDArray[np.float32], asked: str, label: int | None, limit: int, filters: Filters
) -> SearchResult:
    rows = np.flatnonzero(_allowed(pool, filters))
    if rows.size > limit:
        rows = rows[np.argpartition(-scores[rows], limit - 1)[:limit]]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return SearchResult(asked, label, _described(pool, rows, scores))


def _allowed(pool: _Pool, filters: Filters) -> NDArray[np.bool_]:
    """Which photos of the pool the filters let through, bool [n]."""
    allowed = {"any": np.ones_like(pool.answered), "no": ~pool.answered, "yes": pool.answered}[filters.answered].copy()
    if filters.label is None and filters.relevant == "any":
        return allowed
    if filters.label is not None:
        allowed &= np.asarray(pool.snapshot.believed.label) == filters.label
    irrelevant = np.flatnonzero(pool.space.irrelevant)
    if filters.relevant != "any" and irrelevant.size:
        strange = mass_of(pool.snapshot.controls[0].probabilities, irrelevant) > STRANGE
        allowed &= strange if filters.relevant == "no" else ~strange
    return allowed


def _described(pool: _Pool, rows: NDArray[np.intp], scores: NDArray[np.float32]) -> list[dict[str, Any]]:
    believed = np.asarray(pool.snapshot.controls[0].probabilities[rows], dtype=np.float32)
    titles = [label.title for label in pool.space.control.labels]
    return [
        {
            "task": int(pool.snapshot.task_ids[row]),
            "score": round(float(scores[row]), 4),
            "label": titles[int(own.argmax())],
            "probability": round(float(own.max()), 4),
            "answered": bool(pool.answered[row]),
        }
        for row, own in zip(rows, believed, strict=True)
    ]


def _imagenet_mass(
    runtime: Runtime, project: Project, pool: _Pool, senses: Sequence[str], name: str
) -> NDArray[np.float32]:
    associations = Associations(runtime.wordnet)
    classes = np.max([associations.below(sense) for sense in senses], axis=0)
    if not classes.any():
        raise NotFoundError(f"ImageNet has no class for {name.strip()!r}: search by a photo of it.", reason="no_class")
    backbone = runtime.backbone_of(pool.snapshot.backbone)
    n = pool.snapshot.task_ids.size
    rows = np.arange(n) if n <= SAMPLED else np.sort(np.random.default_rng(0).choice(n, SAMPLED, replace=False))
    scores = np.full(n, -1.0, dtype=np.float32)
    for start in range(0, rows.size, CHUNK):
        part = rows[start : start + CHUNK]
        tasks = pool.snapshot.task_ids[part].tolist()
        with runtime.database.session() as session:
            known = {task.task_id: task.digest or "" for task in tasks_by_id(session, project.id, tasks)}
        embeddings, found = runtime.features.matrix(
            [known.get(task, "") for task in tasks], backbone.id, backbone.spec.embedding_dim
        )
        probabilities = softmax(backbone.imagenet_logits(embeddings[found]), axis=1)
        scores[part[found]] = probabilities @ classes
    return scores
