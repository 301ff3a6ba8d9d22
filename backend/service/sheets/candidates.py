"""The photos of a project that a sheet may show, as arrays over what was last predicted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from backend.features.normalise import normalise_parts
from backend.labels import LabelSpace
from backend.priority import evaluation_mask
from backend.service.context.context import Runtime
from backend.service.pool.current import current_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.options import project_options
from backend.storage.schema import Annotation, Project, SheetPhoto, Task, now


@dataclass(frozen=True)
class Candidates:
    """What sheets of a project are made from; row r is the same task in each array.

    Attributes:
        task_ids: int64 [n].
        probabilities: float16 [n, L] of the first control.
        answered: bool [n]: somebody answered or skipped it.
        free: bool [n]: read, and on nobody's sheet.
        evaluation: bool [n]: kept for the evaluation sample.
        digests: of the photos, by task.
        space: the labels of the first control.
        backbone: id of the backbone whose embeddings the probabilities were made from.
    """

    task_ids: NDArray[np.int64]
    probabilities: NDArray[np.float16]
    answered: NDArray[np.bool_]
    free: NDArray[np.bool_]
    evaluation: NDArray[np.bool_]
    digests: dict[int, str]
    space: LabelSpace
    backbone: str

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Photos that may be answered for the first time: bool [n]."""
        return self.free & ~self.answered & ~self.evaluation

    def rows_of(self, task_ids: NDArray[np.integer]) -> NDArray[np.intp]:
        """The rows of some tasks, in their order; those that are not known here are left out."""
        places = np.searchsorted(self.task_ids, task_ids)
        inside = places < self.task_ids.size
        places = places[inside]
        found: NDArray[np.intp] = places[self.task_ids[places] == task_ids[inside]].astype(np.intp)
        return found

    def relevance(self) -> NDArray[np.float32] | None:
        """P(belongs), float32 [n] in [0, 1]; None where the config has no `Not relevant`."""
        irrelevant = self.space.irrelevant
        if not irrelevant.any():
            return None
        belongs: NDArray[np.float32] = 1.0 - self.probabilities[:, irrelevant].astype(np.float32).sum(axis=1)
        return belongs


def read_candidates(runtime: Runtime, project: Project) -> Candidates:
    """The candidates of a project now.

    Raises:
        BackendError: `not_ready`, nothing is predicted yet for its labels.
    """
    snapshot = current_snapshot(runtime, project)
    task_ids = np.asarray(snapshot.task_ids)
    with runtime.database.session() as session:
        found = session.execute(
            select(Task.task_id, Task.digest).where(Task.project_id == project.id, Task.digest.is_not(None))
        )
        digests = {task: digest for task, digest in found if digest}
        answered = session.scalars(
            select(Annotation.task_id).where(
                Annotation.project_id == project.id, Annotation.deleted.is_(False), Annotation.task_id.is_not(None)
            )
        )
        taken = {task for task in answered if task is not None}
        held = set(
            session.scalars(
                select(SheetPhoto.task_id).where(SheetPhoto.project_id == project.id, SheetPhoto.held_until > now())
            )
        )
    known = [digests.get(int(task)) for task in task_ids]
    share = project_options(runtime.settings, project.extra_params).evaluation_share
    return Candidates(
        task_ids=task_ids,
        probabilities=snapshot.controls[0].probabilities,
        answered=_among(task_ids, taken),
        free=np.array([digest is not None for digest in known], dtype=bool) & ~_among(task_ids, held),
        evaluation=evaluation_mask([digest or "" for digest in known], share),
        digests=digests,
        space=labels_of(runtime, project).spaces[0],
        backbone=snapshot.backbone,
    )


def features_of(runtime: Runtime, candidates: Candidates, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Unit features of some rows, float32 [m, d]; zeros where a photo's embedding is gone."""
    backbone = runtime.backbone_of(candidates.backbone)
    digests = [candidates.digests.get(int(candidates.task_ids[row]), "") for row in rows]
    embeddings, _ = runtime.features.matrix(digests, backbone.id, backbone.spec.embedding_dim)
    return normalise_parts(embeddings.astype(np.float32), (backbone.spec.embedding_dim,))


def _among(task_ids: NDArray[np.integer], tasks: Collection[int]) -> NDArray[np.bool_]:
    return np.isin(task_ids, np.fromiter(tasks, dtype=np.int64, count=len(tasks)))
