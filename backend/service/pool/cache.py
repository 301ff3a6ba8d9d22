"""The pool of a project in a worker's memory: kept between jobs, so that an annotation costs no rebuild."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from backend.labels import LabelSpace
from backend.learning.pool_model import PoolModel
from backend.learning.projection import Projection
from backend.learning.relevance import RelevanceHints
from backend.learning.several_labels import SeveralLabelsModel
from backend.priority import LayoutCache
from backend.service.context.context import Runtime
from backend.service.context.label_cache import ProjectLabels
from backend.service.pool.memory import ROW_BYTES, array_bytes
from backend.service.projects.labels import labels_of
from backend.service.versions.artifacts import load_projection
from backend.service.versions.registry import EmbeddingConfig, matches_backbone
from backend.storage.schema import Project, Task
from backend.zero_shot import ZeroShot, pool_weights, zero_shot

log = logging.getLogger(__name__)

REBUILD_SHARE = 0.2  # once so many rows are of deleted tasks, the arrays are made anew


@dataclass(frozen=True)
class Calibration:
    """How what a control's annotations spread is calibrated.

    Attributes:
        annotations: how many it was found with.
        temperature: see `calibration.tempered`.
        photos: held-out photos that it was found with.
        rows: int [k], annotated rows whose own annotation was held out.
        held_out: float32 [k, L], what was believed of them without it, as it comes.
    """

    annotations: int
    temperature: float
    photos: int
    rows: NDArray[np.intp] | None = None
    held_out: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ClassWeights:
    """How much each ImageNet class tells in the pool.

    Attributes:
        values: float32 [1000] of `pool_weights`; None: the backbone has no ImageNet layer.
        photos: how many the pool had when they were worked out. Once it has doubled they are worked out anew.
    """

    values: NDArray[np.float32] | None
    photos: int


@dataclass
class ControlPool:
    """One control of the label config, and what the pool believes of its labels."""

    space: LabelSpace
    model: PoolModel
    learnt: Projection | None = None  # the projection that the graph lives in, where one was learnt from annotations
    calibration: Calibration | None = None  # as last found


@dataclass
class ProjectPool:
    """All embedded tasks of a project as arrays of n rows; row r is the same task in each."""

    labels: ProjectLabels
    relevance_roots: tuple[str, ...]
    backbone: str
    projection: str
    task_ids: NDArray[np.int64]
    digests: list[str]
    embeddings: NDArray[np.float16]  # as `Backbone.features` gives them
    unknown: NDArray[np.float32]
    relevance: NDArray[np.float32] | None
    weights: ClassWeights
    controls: list[ControlPool]
    gone: NDArray[np.bool_]
    row_of: dict[int, int] = field(default_factory=dict)
    layouts: LayoutCache = field(default_factory=LayoutCache)

    @property
    def n(self) -> int:
        """Rows, those of deleted tasks included."""
        return int(self.task_ids.size)

    @property
    def nbytes(self) -> int:
        """Memory that the pool takes, in bytes, but for an index of neighbours, which is compressed where it is big."""
        arrays = (self.task_ids, self.embeddings, self.unknown, self.relevance, self.gone)
        models = (control.model for control in self.controls)
        return array_bytes(*arrays, *models, *self.layouts.held) + self.n * ROW_BYTES


class PoolCache:
    """The pools of the projects that this process worked on; one thread at a time updates a pool.

    They take POOL_MEMORY_MB together: where that is exceeded, the one unused longest makes room. The pool in use is
    always kept, however big.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._limit = runtime.settings.pool_memory_mb * 2**20
        self._pools: dict[int, ProjectPool] = {}
        self._sizes: dict[int, int] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._guard = threading.Lock()

    def lock(self, project_id: int) -> threading.Lock:
        """The lock to hold while a project's pool is used."""
        with self._guard:
            return self._locks.setdefault(project_id, threading.Lock())

    def current(self, project: Project, relevance_roots: tuple[str, ...], seed: int) -> ProjectPool:
        """The pool with all tasks that are embedded by now; new ones join without a rebuild."""
        runtime = self._runtime
        labels = labels_of(runtime, project)
        with self._guard:
            known = self._pools.pop(project.id, None)
        rows = embedded_tasks(runtime, project.id)
        if known is not None and _still_fits(known, project, labels, relevance_roots):
            fresh = [(task, digest) for task, digest in rows if not _holds(known, task, digest)]
            present = {task for task, _ in rows}
            changed = {task for task, _ in fresh}
            for task, row in list(known.row_of.items()):
                if task not in present or task in changed:
                    known.gone[row] = True
                    del known.row_of[task]
            if known.gone.sum() <= REBUILD_SHARE * known.n:
                if fresh:
                    _extend(runtime, known, fresh)
                weighed = any(control.model.crowd_prior is not None for control in known.controls)
                if weighed and known.n >= 2 * known.weights.photos:
                    _weigh_anew(runtime, known)
                return self._keep(project.id, known)
        return self._keep(
            project.id,
            build_pool(runtime, project.id, EmbeddingConfig.of(project), labels, relevance_roots, rows, seed),
        )

    def _keep(self, project_id: int, pool: ProjectPool) -> ProjectPool:
        size = pool.nbytes
        with self._guard:
            self._pools[project_id] = pool
            self._sizes[project_id] = size
            while len(self._pools) > 1 and sum(self._sizes[kept] for kept in self._pools) > self._limit:
                self._pools.pop(next(iter(self._pools)))
        return pool


def embedded_tasks(runtime: Runtime, project_id: int) -> list[tuple[int, str]]:
    """Tasks whose image was read, with its digest; in the order of their ids."""
    query = select(Task.task_id, Task.digest).where(Task.project_id == project_id, Task.digest.is_not(None))
    with runtime.database.session() as session:
        return [(task, digest) for task, digest in session.execute(query.order_by(Task.task_id)) if digest is not None]


def _holds(pool: ProjectPool, task: int, digest: str) -> bool:
    row = pool.row_of.get(task)
    return row is not None and pool.digests[row] == digest


@dataclass
class _Rows:
    task_ids: NDArray[np.int64]
    digests: list[str]
    embeddings: NDArray[np.float16]
    known: ZeroShot
    weights: ClassWeights


def _load(
    runtime: Runtime,
    backbone_id: str,
    labels: ProjectLabels,
    roots: tuple[str, ...],
    rows: Sequence[tuple[int, str]],
    weights: ClassWeights | None = None,
) -> _Rows:
    """The photos of `rows` (task, digest), weighed as a pool of their own unless there are `weights`."""
    backbone = runtime.backbone_of(backbone_id)
    embeddings, found = runtime.features.matrix(
        [digest for _, digest in rows], backbone.id, backbone.spec.embedding_dim
    )
    kept = [item for item, there in zip(rows, found, strict=True) if there]
    embeddings = embeddings[found]
    weights = weights or ClassWeights(pool_weights(backbone, embeddings), len(kept))
    wordnet = runtime.wordnet if roots else None
    known = zero_shot(backbone, labels.spaces, embeddings, roots, wordnet, weights=weights.values)
    return _Rows(
        task_ids=np.array([task for task, _ in kept], dtype=np.int64),
        digests=[digest for _, digest in kept],
        embeddings=backbone.features(embeddings),
        known=known,
        weights=weights,
    )


def _still_fits(pool: ProjectPool, project: Project, labels: ProjectLabels, roots: tuple[str, ...]) -> bool:
    """Whether a pool in memory is of the project as it is now: its labels, its roots, its backbone and projection."""
    same_embeddings = (pool.backbone, pool.projection) == (project.backbone, project.projection)
    return same_embeddings and pool.labels.key == labels.key and pool.relevance_roots == roots


def build_pool(
    runtime: Runtime,
    project_id: int,
    config: EmbeddingConfig,
    labels: ProjectLabels,
    roots: tuple[str, ...],
    rows: Sequence[tuple[int, str]],
    seed: int,
) -> ProjectPool:
    """The pool of those `rows` (task, digest) that are embedded by the backbone of `config`."""
    loaded = _load(runtime, config.backbone, labels, roots, rows)
    controls = []
    for number, space in enumerate(labels.spaces):
        prior, crowds = _priors_of(loaded, number)
        learnt = _learnt_projection(runtime, project_id, config, number, loaded.embeddings.shape[1])
        kind = SeveralLabelsModel if space.control.multiple else PoolModel
        hints = _hints(loaded, space, prior)
        model = kind(
            loaded.embeddings,
            prior,
            seed=seed,
            projection=learnt,
            hints=hints,
            crowd_prior=crowds,
            depicted=space.depicted,
        )
        controls.append(ControlPool(space, model, learnt))
    return ProjectPool(
        labels=labels,
        relevance_roots=roots,
        backbone=config.backbone,
        projection=config.projection,
        task_ids=loaded.task_ids,
        digests=loaded.digests,
        embeddings=loaded.embeddings,
        unknown=loaded.known.unknown,
        relevance=loaded.known.relevance,
        weights=loaded.weights,
        controls=controls,
        gone=np.zeros(loaded.task_ids.size, dtype=bool),
        row_of={int(task): row for row, task in enumerate(loaded.task_ids)},
    )


def _priors_of(loaded: _Rows, control: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The prior of one control [n, L], and the one that crowds go by; None: they have none of their own."""
    known = loaded.known
    return known.priors[control], known.crowd_priors[control] if known.crowd_priors else None


def _hints(loaded: _Rows, space: LabelSpace, prior: NDArray[np.float32]) -> RelevanceHints:
    """What is known of relevance; where several labels may hold their priors tell it, not that of `Not relevant`."""
    mass = loaded.known.relevance
    if mass is None and space.control.multiple and space.irrelevant.any():
        mass = np.clip(prior[:, ~space.irrelevant].sum(axis=1), 0.0, 1.0)
    return RelevanceHints(space.irrelevant, mass, loaded.known.unknown)


def _learnt_projection(
    runtime: Runtime, project_id: int, config: EmbeddingConfig, control: int, width: int
) -> Projection | None:
    """The projection of the graph for embeddings of length `width`; None where it has none."""
    if not config.projection:
        return None
    learnt = load_projection(runtime, project_id, config.projection, control)
    if not matches_backbone(runtime, project_id, config, config.projection):
        learnt = None
    if learnt is None or learnt.matrix is None or learnt.input_dim != width:
        log.warning(
            "the projection of %s does not fit project %s: its graph does without", config.projection, project_id
        )
        return None
    return learnt.as_projection()


def _extend(runtime: Runtime, pool: ProjectPool, fresh: Sequence[tuple[int, str]]) -> None:
    loaded = _load(runtime, pool.backbone, pool.labels, pool.relevance_roots, fresh, pool.weights)
    if not loaded.task_ids.size:
        return
    first = pool.n
    pool.embeddings = np.concatenate([pool.embeddings, loaded.embeddings])
    for number, control in enumerate(pool.controls):
        prior, crowds = _priors_of(loaded, number)
        hints = _hints(loaded, control.space, prior)
        control.model.add(loaded.embeddings, prior, hints=hints, joined=pool.embeddings, crowd_prior=crowds)
    pool.task_ids = np.concatenate([pool.task_ids, loaded.task_ids])
    pool.digests = pool.digests + loaded.digests
    known = loaded.known
    pool.unknown = np.concatenate([pool.unknown, known.unknown])
    if pool.relevance is not None and known.relevance is not None:
        pool.relevance = np.concatenate([pool.relevance, known.relevance])
    pool.gone = np.concatenate([pool.gone, np.zeros(loaded.task_ids.size, dtype=bool)])
    pool.row_of.update({int(task): first + row for row, task in enumerate(loaded.task_ids)})
    log.info("%d photos joined the pool of %d", loaded.task_ids.size, first)


def _weigh_anew(runtime: Runtime, pool: ProjectPool) -> None:
    """By all photos of a pool that has grown: what crowds go by."""
    rows = list(zip(pool.task_ids.tolist(), pool.digests, strict=True))
    loaded = _load(runtime, pool.backbone, pool.labels, (), rows)
    if loaded.task_ids.size != pool.n:  # a photo was forgotten since: the next pool that is built knows
        pool.weights = ClassWeights(pool.weights.values, pool.n)
        return
    pool.weights = loaded.weights
    for number, control in enumerate(pool.controls):
        control.model.weigh(_priors_of(loaded, number)[1])
