"""The refresh job: take in what is new and order the pool, publish the window, write down what is published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import update

from backend.errors import AnotherProjectError, LabelStudioError
from backend.learning.accuracy import AccuracyEstimate
from backend.learning.evaluation import THRESHOLD
from backend.learning.figures import Figures
from backend.priority import Order, evaluation_mask
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import ask_for_unseen
from backend.service.insight.photo_map import ask_for_new_map
from backend.service.pool.cache import PoolCache, ProjectPool
from backend.service.pool.near_duplicates import update_near_duplicates
from backend.service.pool.pool_key import pool_key
from backend.service.pool.predictions import (
    Annotated,
    ControlPrediction,
    answers_of,
    predict_pool,
    read_annotations,
)
from backend.service.pool.review import keep_review
from backend.service.pool.similarity_index import update_similarity_index
from backend.service.pool.snapshot import Sample, Snapshot, SnapshotControl, remove_old_snapshots, write_snapshot
from backend.service.projects.annotations import taken_back
from backend.service.projects.evaluation_shares import note_share
from backend.service.projects.identity import client_for, is_gone
from backend.service.projects.options import ProjectOptions, project_options
from backend.service.projects.project import find_project
from backend.service.queue.held import handed_out_items, held_open
from backend.service.queue.ordering import order_project
from backend.service.queue.pace import PublicationPace
from backend.service.queue.publishing import MOST_RETURNED, Publishing, open_window
from backend.service.queue.queue_window import current_window, queue_items, replace_window, same_window
from backend.service.queue.refill import refill_window
from backend.service.queue.task_texts import update_task_texts
from backend.service.queue.training_due import ask_for_training
from backend.service.queue.window_size import window_size
from backend.service.versions.artifacts import snapshots_folder
from backend.service.versions.comparisons import settle_comparison
from backend.service.versions.curve import record_point
from backend.service.versions.registry import BUILT_IN, PROPAGATION, EmbeddingConfig, record_figures
from backend.storage.schema import Project, QueueItem, now
from backend.sync.publish import WindowItem
from backend.sync.version_names import WindowName

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ranking:
    """What a refresh worked out while it held the pool: rows and numbers, nothing that still changes.

    Attributes:
        window: the model that serves, with the number of this window; the current one where nothing changed.
        items: the places of the window.
        handed_out: photos of the window before that may be on their way to an annotator while another model takes over;
            they get a suggestion of it too.
        held: tasks that somebody may hold open, see `held_open`.
        new: whether the window has to be published.
        returned: tasks that may have a place in Label Studio again since an answer to them was taken back.
        read_at: the order knows the annotations received until then.
        tasks: embedded tasks that the order knows.
        unlabelled: tasks in the queue, inside the window and beyond.
        annotated: tasks with an answer.
        teaches: whether anything can be learned from the answers: not from skips, from *none of these*, nor from labels that are gone.
        versions: what was measured of the versions that need no training, by name.
        accuracy: the headline of what serves; None: not known yet.
        evaluation_share: of the photos that this order keeps for evaluation.
    """

    window: WindowName
    items: list[QueueItem]
    handed_out: list[WindowItem]
    held: list[int]
    new: bool
    returned: list[int]
    read_at: datetime
    tasks: int
    unlabelled: int
    annotated: int
    teaches: bool
    versions: Mapping[str, Mapping[str, Any]]
    accuracy: AccuracyEstimate | None
    evaluation_share: float


def refresh_project(
    runtime: Runtime,
    pools: PoolCache,
    project_id: int,
    progress: Callable[[float, str], None],
    *,
    republish: bool = False,
    pace: PublicationPace | None = None,
) -> dict[str, Any]:
    """Order a project anew and publish its window if it changed. Returns counts and a `message`.

    The pool is held while it is ordered; Label Studio is called after that, and what is published is written down in
    one transaction.

    Args:
        republish: compare with what Label Studio holds even if the window stayed as it was, and make every place right.
        pace: says when, where Label Studio was slow to take the last window; None: at once.
    """
    pace = pace or PublicationPace()
    project = find_project(runtime, project_id)
    try:
        client_for(runtime, project)
    except (AnotherProjectError, LabelStudioError) as error:
        if not is_gone(error):
            raise
        return {"message": f"{error} Nothing is published."}
    options = project_options(runtime.settings, project.extra_params)
    options = options.model_copy(update={"window_size": window_size(runtime, project_id, options.window_size)})
    refill_window(runtime, project, options.window_size)
    if pace.wait(project_id, progress):  # people go on meanwhile
        refill_window(runtime, find_project(runtime, project_id), options.window_size)
    project = find_project(runtime, project_id)
    earlier = current_window(runtime, project)
    with pools.lock(project_id):
        ranking = _rank(runtime, pools, project, options, progress, republish=republish)
    if ranking is None:
        return {"message": "no photo of this project is embedded yet"}
    publication = None
    if ranking.new:
        shown = (ranking.window, ranking.items, ranking.handed_out)
        size, returned = ranking.tasks, ranking.returned
        publication = Publishing(
            runtime, project, *shown, held=ranking.held, tasks=size, returned=returned, whole=republish, pace=pace
        )
    version = publication.begin() if publication else project.published_version
    _conclude(runtime, project_id, ranking, version, publication.left if publication else [])
    if ranking.teaches:
        ask_for_training(runtime, project_id, options, ranking.annotated)
    if publication:
        remove_old_snapshots(snapshots_folder(runtime, project_id), keep=(str(ranking.window), project.snapshot))
        publication.settle()
    update_task_texts(runtime, project_id, earlier)
    ask_for_new_map(runtime, project_id)
    message = f"window {ranking.window}: {len(ranking.items)} of {ranking.unlabelled} unlabelled tasks"
    told = {"version": version, "published": ranking.new, "annotated": ranking.annotated, "message": message}
    if publication:
        told |= {"window": str(ranking.window), "places_right": publication.places_right}
    return told


def _rank(
    runtime: Runtime,
    pools: PoolCache,
    project: Project,
    options: ProjectOptions,
    progress: Callable[[float, str], None],
    *,
    republish: bool,
) -> Ranking | None:
    """Order the pool; None where it holds no photo yet. Writes the snapshot of a new window, for /predict."""
    read_at = now()
    pool = pools.current(project, options.relevance, options.seed)
    ask_for_unseen(runtime, project.id, len(pool.row_of))
    if not pool.row_of:
        return None
    progress(0.3, f"{pool.n} photos in the pool")
    annotated = read_annotations(runtime, project.id, pool, options.evaluation_share)
    served, predictions = predict_pool(runtime, project.id, EmbeddingConfig.of(project), pool, annotated)
    keep_review(runtime, project.id, pool, annotated)
    key = pool_key(pool)
    update_near_duplicates(runtime, project.id, pool, key)
    update_similarity_index(runtime, project.id, pool, key)
    progress(0.5, f"{annotated.count} annotated tasks, served by {served}")
    waits = _waits(pool, annotated)
    compared = settle_comparison(runtime, project, served, answers_of(pool, annotated), waits)
    order = order_project(runtime, project.id, pool, annotated, predictions, options, compared)
    progress(0.7, "ordered")
    items = queue_items(project.id, project.snapshot, pool, order, predictions, options.window_size)
    window = WindowName.parse(project.snapshot)
    earlier = current_window(runtime, project)
    same = window is not None and window.model == served and same_window(earlier, items)
    held = held_open(project.held_open, [item.task_id for item in earlier], waits)
    handed_out: list[WindowItem] = []
    if window is not None and window.model != served:
        handed_out = handed_out_items(
            [item.task_id for item in earlier if waits(item.task_id)], held, items, pool, predictions
        )
    with runtime.database.session() as session:
        returned = taken_back(session, project.id, project.ordered_at, MOST_RETURNED + 1)
    new = window is None or not same or republish or not project.window_settled or bool(returned)
    if new:
        window = WindowName(served, open_window(runtime, project.id))
        for item in items:
            item.version = str(window)
        backbone_id = runtime.backbone_of(pool.backbone).id
        snapshot = _snapshot_of(str(window), backbone_id, pool, order, predictions, options.evaluation_share)
        write_snapshot(snapshots_folder(runtime, project.id) / str(window), snapshot)
    assert window is not None
    return Ranking(
        window=window,
        items=items,
        handed_out=handed_out,
        held=held,
        new=new,
        returned=returned,
        read_at=read_at,
        tasks=len(pool.row_of),
        unlabelled=int(order.rows.size),
        annotated=annotated.count,
        teaches=any(bool((targets.train[1] >= THRESHOLD).any()) for targets in annotated.targets),
        versions=_measured(runtime, project, served, predictions, annotated.count),
        accuracy=Figures.from_json(predictions[0].evaluation.get(served, {})).accuracy,
        evaluation_share=options.evaluation_share,
    )


def _waits(pool: ProjectPool, annotated: Annotated) -> Callable[[int], bool]:
    """Whether a task is in the pool and nobody answered or skipped it."""

    def waits(task: int) -> bool:
        row = pool.row_of.get(task)
        return row is not None and not annotated.answered[row]

    return waits


def _conclude(runtime: Runtime, project_id: int, ranking: Ranking, version: str, left: list[int]) -> None:
    """Write down what the refresh came to, all of it or nothing: from now on the queue and /predict answer with it."""
    with runtime.database.session() as session:
        known: dict[str, Any] = {
            "ordered_at": ranking.read_at,
            "ordered_tasks": ranking.tasks,
            "held_open": ranking.held,
        }
        note_share(session, project_id, ranking.evaluation_share, ranking.read_at)
        if ranking.new:
            known |= {"published_version": version, "snapshot": str(ranking.window), "places_left": left}
            replace_window(session, project_id, ranking.items)
        session.execute(update(Project).where(Project.id == project_id).values(**known))
        record_figures(session, runtime, project_id, ranking.versions)
        if ranking.accuracy is not None:
            record_point(session, runtime, project_id, ranking.window.model, ranking.annotated, ranking.accuracy)


def _snapshot_of(
    version: str,
    backbone_id: str,
    pool: ProjectPool,
    order: Order,
    predictions: list[ControlPrediction],
    evaluation_share: float,
) -> Snapshot:
    priority = np.zeros(pool.n, dtype=np.float32)
    priority[order.rows] = order.priority
    sample = np.zeros(pool.n, dtype=bool)
    sample[order.rows] = order.evaluation
    answered = np.setdiff1d(
        np.arange(pool.n), order.rows
    )  # an answer may be taken back: then it counts where it belongs
    sample[answered] = evaluation_mask([pool.digests[row] for row in answered], evaluation_share)
    ascending = np.argsort(pool.task_ids, kind="stable")
    ascending = ascending[~pool.gone[ascending]]
    return Snapshot(
        version=version,
        labels_key=pool.labels.key,
        backbone=backbone_id,
        task_ids=pool.task_ids[ascending],
        priority=priority[ascending],
        controls=[
            SnapshotControl(
                prediction.served[ascending].astype(np.float16),
                {**control.model.export_extension(), "temperature": np.array(prediction.temperature)},
            )
            for control, prediction in zip(pool.controls, predictions, strict=True)
        ],
        sample=Sample(evaluation_share, sample[ascending]),
    )


def _measured(
    runtime: Runtime, project: Project, served: str, predictions: list[ControlPrediction], annotated_tasks: int
) -> dict[str, dict[str, Any]]:
    """WordNet and propagation are versions too: kept with their figures, so that a head can be compared with them.

    An adapted graph goes on learning as propagation does; it has a row already, made by the training.
    """
    measured = predictions[0].evaluation
    versions: dict[str, dict[str, Any]] = {}
    if project.projection:
        figures = {"evaluation": measured[project.projection]} if project.projection in measured else {}
        versions[project.projection] = {"annotations": annotated_tasks, **figures}
    elif served not in BUILT_IN and served in measured:
        versions[served] = {"evaluation": measured[served]}
    for name in BUILT_IN:
        if name == PROPAGATION and (not annotated_tasks or project.projection):
            continue
        if project.backbone and name != served:
            continue  # its figures are those through BACKBONE's backbone
        versions[name] = {
            "kind": name,
            "backbone": runtime.backbone.id,
            "annotations": annotated_tasks if name == PROPAGATION else 0,
            "evaluation": measured.get(name, {}),
            "status": "serving" if name == served else "retired",
        }
    return versions
