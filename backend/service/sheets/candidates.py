"""The photos of a project that a sheet may show, as arrays over what was last predicted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from backend.features.normalise import normalise_parts
from backend.labels import LabelSpace
from backend.priority import evaluation_mask
from backend.service.context.context import Runtime
from backend.service.insight.coverage import answered_tasks
from backend.service.pool.current import current_snapshot
from backend.service.pool.snapshot import Believed, Snapshot, mass_of
from backend.service.projects.labels import labels_of
from backend.service.projects.options import project_options
from backend.service.projects.tasks import CHUNK
from backend.storage.schema import Project, SheetPhoto, Task, now


@dataclass(frozen=True)
class Candidates:
    """What sheets of a project are made from; row r is the same task in each array.

    Attributes:
        project_id: of the project.
        task_ids: int64 [n].
        probabilities: float16 [n, L] of the first control.
        believed: their likeliest labels.
        answered: bool [n]: somebody answered or skipped it.
        free: bool [n]: read, and on nobody's sheet.
        evaluation: bool [n]: kept for the evaluation sample.
        space: the labels of the first control.
        backbone: id of the backbone whose embeddings the probabilities were made from.
        several: whether photos have several labels.
    """

    project_id: int
    task_ids: NDArray[np.int64]
    probabilities: NDArray[np.float16]
    believed: Believed
    answered: NDArray[np.bool_]
    free: NDArray[np.bool_]
    evaluation: NDArray[np.bool_]
    space: LabelSpace
    backbone: str
    several: bool = False

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

    def surest(self, allowed: NDArray[np.bool_], each: int) -> NDArray[np.intp]:
        """Of those allowed, bool [n], the `each` surest of every label: rows, ascending."""
        rows = np.flatnonzero(allowed)
        # One whole number sorts by label and confidence: the bits of a float16 that is not negative grow with it.
        doubt = np.int64(0xFFFF) - self.believed.confidence[rows].view(np.uint16)
        rows = rows[np.argsort((self.believed.label[rows].astype(np.int64) << 16) | doubt, kind="stable")]
        labels = self.believed.label[rows]
        first = np.searchsorted(labels, labels)  # where the rows of each label begin
        found: NDArray[np.intp] = np.sort(rows[np.arange(rows.size) - first < each])
        return found

    def relevance(self) -> NDArray[np.float32] | None:
        """P(belongs), float32 [n] in [0, 1]; None where the config has no `Not relevant`."""
        irrelevant = self.space.irrelevant
        if not irrelevant.any():
            return None
        belongs: NDArray[np.float32] = 1.0 - mass_of(self.probabilities, np.flatnonzero(irrelevant))
        return belongs


def read_candidates(runtime: Runtime, project: Project) -> Candidates:
    """The candidates of a project now.

    Raises:
        BackendError: `not_ready`, nothing is predicted yet for its labels.
    """
    snapshot = current_snapshot(runtime, project)
    task_ids = np.asarray(snapshot.task_ids)
    with runtime.database.session() as session:
        unread = session.scalars(select(Task.task_id).where(Task.project_id == project.id, Task.digest.is_(None)))
        gone = set(unread)  # the photo was exchanged after the order
        held = session.scalars(
            select(SheetPhoto.task_id).where(SheetPhoto.project_id == project.id, SheetPhoto.held_until > now())
        )
        gone.update(held)
    return Candidates(
        project_id=project.id,
        task_ids=task_ids,
        probabilities=snapshot.controls[0].probabilities,
        believed=snapshot.believed,
        answered=np.isin(task_ids, answered_tasks(runtime, project.id)),
        free=~_among(task_ids, gone),
        evaluation=_sample(runtime, project, snapshot),
        space=labels_of(runtime, project).spaces[0],
        backbone=snapshot.backbone,
        several=snapshot.controls[0].several,
    )


def features_of(runtime: Runtime, candidates: Candidates, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Unit features of some rows, float32 [m, d]; zeros where a photo's embedding is gone."""
    backbone = runtime.backbone_of(candidates.backbone)
    tasks = [int(task) for task in candidates.task_ids[rows]]
    known = _digests(runtime, candidates.project_id, tasks)
    embeddings, _ = runtime.features.matrix(
        [known.get(task, "") for task in tasks], backbone.id, backbone.spec.embedding_dim
    )
    return normalise_parts(embeddings.astype(np.float32), (backbone.spec.embedding_dim,))


def _sample(runtime: Runtime, project: Project, snapshot: Snapshot) -> NDArray[np.bool_]:
    """Who is kept for the evaluation sample; worked out where the share changed since: seconds for a million."""
    share = project_options(runtime.settings, project.extra_params).evaluation_share
    if snapshot.sample is not None and snapshot.sample.share == share:
        return snapshot.sample.members
    tasks = snapshot.task_ids.tolist()
    known = _digests(runtime, project.id, tasks)
    return evaluation_mask([known.get(task, "") for task in tasks], share)


def _digests(runtime: Runtime, project_id: int, tasks: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    with runtime.database.session() as session:
        for start in range(0, len(tasks), CHUNK):
            query = select(Task.task_id, Task.digest).where(
                Task.project_id == project_id, Task.task_id.in_(tasks[start : start + CHUNK])
            )
            found.update((task, digest) for task, digest in session.execute(query) if digest)
    return found


def _among(task_ids: NDArray[np.integer], tasks: Collection[int]) -> NDArray[np.bool_]:
    return np.isin(task_ids, np.fromiter(tasks, dtype=np.int64, count=len(tasks)))
