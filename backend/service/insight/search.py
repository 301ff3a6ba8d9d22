"""Search: photos by likeness to one of the project or any other, by label, a branch of labels or a WordNet name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from backend.errors import BackendError, NotFoundError
from backend.features import embed_stream
from backend.labels.association import Associations
from backend.service.context.context import Runtime
from backend.service.insight.coverage import answered_tasks, labels_below
from backend.service.insight.search_results import (
    EVERYTHING,
    Filters,
    SearchedPool,
    SearchResult,
    described,
    ranked,
    ranked_by_labels,
)
from backend.service.pool.current import current_snapshot
from backend.service.pool.similarity_index import SimilarityIndex, read_similarity_index
from backend.service.projects.labels import labels_of
from backend.service.projects.tasks import CHUNK, tasks_by_id
from backend.storage.schema import Project

_WORD = re.compile(r"[^\W_]+")

SAMPLED = 20_000
"""Most photos that are looked at for a name that no label covers: ImageNet's classes are worked out for each."""


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
    """The photos that are believed to be of a label, by its index, then those that most probably are in spite of that.

    Raises:
        NotFoundError: there is no such label.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    pool = _pool(runtime, project)
    if not 0 <= label < pool.space.n_labels:
        raise NotFoundError(f"Project {project.id} has no label {label}.")
    return ranked_by_labels(pool, [label], pool.space.control.labels[label].title, label, limit, filters)


def search_node(
    runtime: Runtime, project: Project, node: int, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that are believed to be of any label below a node of the label tree, then others, as for a label.

    Raises:
        NotFoundError: there is no such node.
        BackendError: `not_ready`, nothing is predicted yet.
    """
    pool = _pool(runtime, project)
    if not 0 <= node < len(pool.space.tree.nodes):
        raise NotFoundError(f"The label tree of project {project.id} has no node {node}.")
    labels = labels_below(pool.space.tree, node)
    return ranked_by_labels(pool, labels, pool.space.tree.nodes[node], None, limit, filters)


def search_name(
    runtime: Runtime, project: Project, name: str, limit: int, filters: Filters = EVERYTHING
) -> SearchResult:
    """The photos that show what a name means: a label's, or any noun of WordNet.

    Labels below one of its senses are asked first, then those that have the word in their name; where there are none,
    what ImageNet's classes below it say of at most `SAMPLED` photos.

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
    named = _with_words(titles, wanted)
    if not senses and not named:
        raise NotFoundError(f"Neither a label nor WordNet knows {name.strip()!r}: try another word.", reason="no_name")
    below = frozenset[str]().union(*(wordnet.descendants(sense) | {sense} for sense in senses))
    labels = [index for index, ids in enumerate(pool.space.synsets) if below & set(ids)] or named
    if labels:
        only = labels[0] if len(labels) == 1 else None
        return ranked_by_labels(pool, labels, name.strip(), only, limit, filters)
    return ranked(pool, _imagenet_mass(runtime, project, pool, senses, name), name.strip(), None, limit, filters)


def _with_words(titles: Sequence[str], wanted: str) -> list[int]:
    """The labels whose names have all words of `wanted`: "tennis" finds "table_tennis"."""
    words = set(_WORD.findall(wanted))
    return [index for index, title in enumerate(titles) if words and words <= set(_WORD.findall(title))]


def given_tasks(runtime: Runtime, project: Project, tasks: Sequence[int]) -> SearchResult:
    """Some tasks in the order given, as a search finds them; those that are not in the pool are left out."""
    pool = _pool(runtime, project)
    rows = pool.snapshot.rows_of(list(dict.fromkeys(tasks)))
    rows = rows[rows >= 0]
    return SearchResult("chosen photos", None, described(pool, rows, np.zeros(len(pool.snapshot.task_ids), np.float32)))


def _pool(runtime: Runtime, project: Project) -> SearchedPool:
    snapshot = current_snapshot(runtime, project)
    answered = np.isin(snapshot.task_ids, answered_tasks(runtime, project.id))
    return SearchedPool(labels_of(runtime, project).spaces[0], snapshot, answered)


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
    return ranked(pool, scores, asked, None, limit, filters)


def _imagenet_mass(
    runtime: Runtime, project: Project, pool: SearchedPool, senses: Sequence[str], name: str
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
