"""Answers to /predict: from the worker's snapshot, else from the stored embedding, else by reading the photo now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from backend import metrics
from backend.errors import BackendError, ImageError, WeightsError
from backend.jobs.kinds import JobKind
from backend.learning.calibration import tempered
from backend.learning.head import Head
from backend.learning.out_of_sample import extend_from
from backend.service.context.context import Runtime
from backend.service.context.label_cache import ProjectLabels
from backend.service.ingest.embedding import embed_tasks
from backend.service.pool.snapshot import Snapshot, read_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.projects.tasks import CHUNK, record_tasks
from backend.service.queue.queue_window import beyond_score, window_scores
from backend.service.queue.suggestion import pre_annotation
from backend.service.versions.artifacts import fitting_heads, load_heads, snapshots_folder
from backend.service.versions.registry import BUILT_IN, WORDNET
from backend.storage.schema import Project, Task
from backend.sync.version_names import model_of
from backend.zero_shot import zero_shot

log = logging.getLogger(__name__)

Floats = NDArray[np.floating[Any]]
FIRST_VERSION = WORDNET  # before the first window there are only WordNet's labels

TURNS = 2  # calls whose stored answers are looked up at the same time: they share the interpreter, more are no faster
MAX_SERVED_PROJECTS = 64  # projects whose snapshots and heads stay open; the one opened longest ago makes room


@dataclass(frozen=True)
class Served:
    """What a project's answers come from: the published window and the predictions behind it."""

    snapshot: Snapshot | None
    heads: list[Head] | None


class Predictor:
    """Answers for tasks; keeps the last snapshot of each project mapped into memory."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._served: dict[int, tuple[str, Served]] = {}
        self._guard = threading.Lock()
        self._turns = threading.BoundedSemaphore(TURNS)

    def predict(
        self,
        project_id: int,
        tasks: Sequence[Mapping[str, Any]],
        budget_seconds: float,
        *,
        set_up: Callable[[], Project] | None = None,
    ) -> list[dict[str, Any] | list[Any]]:
        """A prediction for each task, in order; `[]` for a task whose image cannot be read or not in time.

        Args:
            tasks: as Label Studio sends them: `id` and `data`.
            budget_seconds: time after which no further photo is read; those tasks are embedded in the background. A call
                that waits so long for its turn has `[]` for every task.
            set_up: gives the project, made or changed if need be; None: it has to be there.

        Raises:
            NotFoundError: the project is not set up.
            LabelConfigError: it has no usable labels.
        """
        deadline = time.monotonic() + budget_seconds
        answers: dict[int, dict[str, Any]] = {}
        if not self._turns.acquire(timeout=max(budget_seconds, 0.0)):
            log.warning("project %s: %d tasks get no prediction: too many calls at a time", project_id, len(tasks))
            return [[] for _ in tasks]
        try:
            project = set_up() if set_up else find_project(self.runtime, project_id)
            labels = labels_of(self.runtime, project)
            known = self._known_tasks(project, labels, tasks)
            served = self._serving(project, labels)
            version = project.published_version or FIRST_VERSION
            rest = self._from_snapshot(served.snapshot, labels, known, version, answers)
            self._window_scores(project, answers)
        finally:
            self._turns.release()
        if rest:
            self._from_embeddings(project, labels, served, rest, version, answers, deadline)
            self._window_scores(project, answers)
        return [answers.get(int(task["id"]), []) for task in tasks]

    def _known_tasks(self, project: Project, labels: ProjectLabels, tasks: Sequence[Mapping[str, Any]]) -> list[Task]:
        """The rows of these tasks; those never seen, or with another image than before, are stored first."""
        ids = [int(task["id"]) for task in tasks]
        known = {task.task_id: task for task in self._load(project.id, ids)}
        changed = [task for task in tasks if _image_changed(labels, known.get(int(task["id"])), task)]
        if changed:
            with self.runtime.database.session() as session:
                record_tasks(session, self.runtime.database, project.id, labels.config, changed)
            known.update({task.task_id: task for task in self._load(project.id, [int(task["id"]) for task in changed])})
        return [known[task_id] for task_id in dict.fromkeys(ids) if task_id in known]

    def _load(self, project_id: int, ids: Sequence[int]) -> list[Task]:
        found: list[Task] = []
        with self.runtime.database.session() as session:
            for start in range(0, len(ids), CHUNK):
                query = select(Task).where(Task.project_id == project_id, Task.task_id.in_(ids[start : start + CHUNK]))
                found.extend(session.scalars(query))
        return found

    def _serving(self, project: Project, labels: ProjectLabels) -> Served:
        if not project.snapshot:
            return Served(None, None)
        kept = self._served.get(project.id)
        if kept is None or kept[0] != project.snapshot:
            folder: Path = snapshots_folder(self.runtime, project.id) / project.snapshot
            model = model_of(project.snapshot)
            try:
                heads = None if model in BUILT_IN else load_heads(self.runtime, project.id, model)
                served = Served(read_snapshot(folder), heads)
            except BackendError as error:
                log.error("project %s is answered without what was published: %s", project.id, error)
                self.runtime.jobs.enqueue(JobKind.REFRESH, project.id, {"republish": True})
                return Served(None, None)
            kept = (project.snapshot, served)
            with self._guard:
                self._served.pop(project.id, None)
                self._served[project.id] = kept
                while len(self._served) > MAX_SERVED_PROJECTS:
                    self._served.pop(next(iter(self._served)))
        if kept[1].snapshot is not None and kept[1].snapshot.labels_key != labels.key:
            return Served(None, None)  # the labels changed: until the next window only WordNet speaks of them
        return Served(kept[1].snapshot, fitting_heads(kept[1].heads, labels.spaces))

    def _from_snapshot(
        self,
        snapshot: Snapshot | None,
        labels: ProjectLabels,
        tasks: Sequence[Task],
        version: str,
        answers: dict[int, dict[str, Any]],
    ) -> list[Task]:
        """Answer what the snapshot holds; returns the other tasks."""
        if snapshot is None:
            return list(tasks)
        rest = []
        controls = [space.control for space in labels.spaces]
        for task, row in zip(tasks, snapshot.rows_of([task.task_id for task in tasks]), strict=True):
            if row < 0 or task.digest is None:  # not in the pool yet, or its image was changed since
                rest.append(task)
                continue
            predictions = [np.asarray(control.probabilities[row], dtype=np.float32) for control in snapshot.controls]
            answers[task.task_id] = _answer(controls, predictions, float(snapshot.priority[row]), version)
            metrics.CACHE_HITS.inc()
        return rest

    def _from_embeddings(
        self,
        project: Project,
        labels: ProjectLabels,
        served: Served,
        tasks: Sequence[Task],
        version: str,
        answers: dict[int, dict[str, Any]],
        deadline: float,
    ) -> None:
        if not tasks:
            return
        runtime = self.runtime
        # What serves may have been made through another backbone than the one that the project has by now.
        wanted = project.backbone if served.snapshot is None else served.snapshot.backbone
        own = (wanted or runtime.backbone.id) == (project.backbone or runtime.backbone.id)
        try:
            backbone = runtime.backbone_of(wanted)
        except WeightsError as error:
            log.error("%d photos of project %s get no prediction: %s", len(tasks), project.id, error)
            return
        stored = runtime.features.get(
            [task.digest for task in tasks if task.digest], backbone.id, backbone.spec.embedding_dim
        )
        embeddings = {task.task_id: stored[task.digest] for task in tasks if task.digest in stored}
        metrics.CACHE_HITS.inc(len(embeddings))
        unread = [task for task in tasks if task.task_id not in embeddings and task.failure is None]
        # In slices, so that the clock is looked at between them.
        for start in range(0, len(unread), runtime.settings.batch_size):
            if time.monotonic() >= deadline:
                break
            part = unread[start : start + runtime.settings.batch_size]
            for item in embed_tasks(runtime, backbone, part, note=own, deadline=deadline):
                if item.embedding is not None:
                    embeddings[item.key] = item.embedding
        late = [task for task in unread if task.task_id not in embeddings]
        if late:
            log.info("%d photos were not read in time or not at all; the embed job takes them", len(late))
        if (late or (unread and not own)) and runtime.jobs.cancelled_at(JobKind.EMBED, project.id) is None:
            runtime.jobs.enqueue(JobKind.EMBED, project.id)
        if not embeddings:
            return
        ids = list(embeddings)
        matrix = np.stack([embeddings[task_id] for task_id in ids])
        priors = zero_shot(backbone, labels.spaces, matrix).priors
        predictions = _predict_outside(served, backbone.features(matrix), priors)
        controls = [space.control for space in labels.spaces]
        for place, task_id in enumerate(ids):
            rows = [prediction[place] for prediction in predictions]
            answers[task_id] = _answer(controls, rows, _uncertainty(rows[0]), version)

    def _window_scores(self, project: Project, answers: dict[int, dict[str, Any]]) -> None:
        if project.snapshot:
            for task_id, score in window_scores(self.runtime, project, list(answers)).items():
                answers[task_id]["score"] = score


def _image_changed(labels: ProjectLabels, known: Task | None, task: Mapping[str, Any]) -> bool:
    if known is None:
        return True
    data = task.get("data") or {}
    try:
        return known.image != str(data[labels.config.image_key(data)])
    except ImageError:
        return known.failure is None


def _predict_outside(served: Served, embeddings: Floats, priors: list[Floats]) -> list[Floats]:
    """Probabilities of photos that the snapshot does not hold, one array [m, L] for each control."""
    if served.heads is not None:
        return [head.predict(embeddings, prior) for head, prior in zip(served.heads, priors, strict=True)]
    if served.snapshot is None:
        return priors
    # WordNet's version says what was believed before any annotation, evened out over the pool; with annotations, by
    # which all of the pool is evened out by now, it says what WordNet does of each photo alone. So does it here.
    alone = model_of(served.snapshot.version) == WORDNET
    return [
        prior
        if alone and control.extension["annotated"].size
        else tempered(
            extend_from(control.extension, embeddings, prior), float(control.extension.get("temperature", 1.0))
        )
        for control, prior in zip(served.snapshot.controls, priors, strict=True)
    ]


def _answer(
    controls: Sequence[Any], predictions: Sequence[NDArray[np.float32]], priority: float, version: str
) -> dict[str, Any]:
    return {
        "result": pre_annotation(controls, predictions),
        "score": beyond_score(priority),
        "model_version": version,
    }


def _uncertainty(probabilities: NDArray[np.float32]) -> float:
    """1 minus the margin between the two likeliest labels: [0, 1], 1 = most uncertain."""
    top = np.sort(probabilities)[::-1]
    return float(1.0 - (top[0] - top[1])) if top.size > 1 else 0.0
