"""The refresh job: take in what is new, order the pool, publish the next window."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import update

from backend.jobs.kinds import JobKind
from backend.learning.relevance import learn_relevance
from backend.priority import Order, PoolView, order_pool
from backend.priority.asked_first import ask_first
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import ask_for_unseen
from backend.service.pool.cache import PoolCache, ProjectPool
from backend.service.pool.predictions import Annotated, ControlBelief, Targets, answers_of, believe, read_annotations
from backend.service.pool.snapshot import ControlBeliefs, Snapshot, remove_old_snapshots, write_snapshot
from backend.service.projects.options import ProjectOptions, project_options
from backend.service.projects.project import find_project
from backend.service.queue.queue_window import (
    current_window,
    mark_published,
    publish,
    queue_items,
    same_window,
    store_window,
)
from backend.service.queue.task_texts import bring_texts
from backend.service.versions.artifacts import project_folder
from backend.service.versions.comparisons import settle_comparison
from backend.service.versions.registry import BUILT_IN, PROPAGATION, record_version, update_version
from backend.storage.schema import Project, now

log = logging.getLogger(__name__)

COMPARED = "two models disagree: your answer tells which one is better"


def refresh_project(
    runtime: Runtime,
    pools: PoolCache,
    project_id: int,
    progress: Callable[[float, str], None],
    *,
    republish: bool = False,
) -> dict[str, Any]:
    """Order a project anew and publish its window if it changed. Returns counts and a `message`.

    Args:
        republish: publish under a new version even if the window stayed as it was (after a training people look for it).
    """
    project = find_project(runtime, project_id)
    options = project_options(runtime.settings, project.extra_params)
    earlier = current_window(runtime, project)
    with pools.lock(project_id):
        read_at = now()
        pool = pools.current(project, options.relevance, options.seed)
        ask_for_unseen(runtime, project_id, len(pool.row_of))
        if not pool.row_of:
            return {"message": "no photo of this project is embedded yet"}
        progress(0.3, f"{pool.n} photos in the pool")
        annotated = read_annotations(runtime, project_id, pool, options.evaluation_share)
        served, beliefs = believe(runtime, project, pool, annotated)
        progress(0.5, f"{annotated.count} annotated tasks, served by {served}")
        order = order_pool(view_of(pool, annotated, beliefs, options.seed), options.order_options())
        compared = settle_comparison(runtime, project, served, answers_of(pool, annotated))
        order = ask_first(order, [pool.row_of[task] for task in compared if task in pool.row_of], COMPARED)
        progress(0.7, "ordered")
        _record_built_in(runtime, project, served, beliefs, annotated.count)
        version, published = _publish(runtime, project, options, pool, order, served, beliefs, republish)
    _mark_ordered(runtime, project_id, read_at, len(pool.row_of))
    _ask_for_training(runtime, project_id, options, annotated)
    bring_texts(runtime, project_id, earlier)
    message = f"window {version}: {min(options.window_size, order.rows.size)} of {order.rows.size} unlabelled tasks"
    return {"version": version, "published": published, "annotated": annotated.count, "message": message}


def view_of(pool: ProjectPool, annotated: Annotated, beliefs: list[ControlBelief], seed: int) -> PoolView:
    """The pool as the order sees it: through its first control; tasks that are answered or deleted are not in the queue."""
    control, belief, targets = pool.controls[0], beliefs[0], annotated.targets[0]
    space = control.space
    tree = space.tree
    labelled = annotated.answered | pool.gone
    return PoolView(
        space=control.model.space,
        probabilities=belief.propagated,
        labelled=labelled,
        digests=pool.digests,
        head_probabilities=belief.head,
        membership=tree.membership,
        node_names=space.node_titles,
        label_names=tuple(label.title for label in space.control.labels),
        relevance=relevance_of(pool, targets),
        unknown=pool.unknown,
        annotated_probabilities=_said(labelled, pool, targets),
        neighbours=control.model.neighbours,
        similarities=control.model.similarities,
        shown=belief.served,
        rng_seed=seed,
    )


def _said(labelled: NDArray[np.bool_], pool: ProjectPool, targets: Targets) -> NDArray[np.float32]:
    """What is known of the labelled rows, in row order: the annotation; nothing where it was skipped or is deleted."""
    said = np.zeros((pool.n, targets.values.shape[1]), dtype=np.float32)
    said[targets.rows] = targets.values
    said[pool.gone] = 0.0
    known: NDArray[np.float32] = said[labelled]
    return known


def relevance_of(pool: ProjectPool, targets: Targets) -> NDArray[np.float32] | None:
    """P(the photo belongs), float32 [n] in [0, 1]: from the roots, the prior of `Not relevant` labels, and annotations."""
    control = pool.controls[0]
    irrelevant = control.space.irrelevant
    signals = [] if pool.relevance is None else [pool.relevance]
    if irrelevant.any():
        signals.append(1.0 - control.model.prior[:, irrelevant].sum(axis=1))
    if not signals:
        return None
    rows, values = targets.train
    return learn_relevance(control.model, signals, rows, ~irrelevant[values.argmax(axis=1)])


def _publish(
    runtime: Runtime,
    project: Project,
    options: ProjectOptions,
    pool: ProjectPool,
    order: Order,
    served: str,
    beliefs: list[ControlBelief],
    republish: bool,
) -> tuple[str, bool]:
    items = queue_items(project.id, "", pool, order, beliefs, options.window_size)
    unchanged = project.published_version.startswith(f"{served}.") and same_window(
        current_window(runtime, project), items
    )
    if unchanged and project.snapshot and not republish:
        return project.published_version, False
    serial = _next_serial(runtime, project.id)
    version = f"{served}.{serial}"
    for item in items:
        item.version = version
    parent = project_folder(runtime, project.id) / "snapshots"
    backbone_id = runtime.backbone_of(pool.backbone).id
    write_snapshot(parent / version, _snapshot_of(version, backbone_id, pool, order, beliefs))
    store_window(runtime, items)
    publish(runtime, project, version, items)
    mark_published(runtime, project.id, version, version)
    remove_old_snapshots(parent, keep=(version, project.snapshot))
    return version, True


def _mark_ordered(runtime: Runtime, project_id: int, read_at: datetime, tasks: int) -> None:
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(ordered_at=read_at, ordered_tasks=tasks))


def _next_serial(runtime: Runtime, project_id: int) -> int:
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(window_serial=Project.window_serial + 1))
        return session.get_one(Project, project_id).window_serial


def _snapshot_of(
    version: str, backbone_id: str, pool: ProjectPool, order: Order, beliefs: list[ControlBelief]
) -> Snapshot:
    priority = np.zeros(pool.n, dtype=np.float32)
    priority[order.rows] = order.priority
    ascending = np.argsort(pool.task_ids, kind="stable")
    ascending = ascending[~pool.gone[ascending]]
    return Snapshot(
        version=version,
        labels_key=pool.labels.key,
        backbone=backbone_id,
        task_ids=pool.task_ids[ascending],
        priority=priority[ascending],
        controls=[
            ControlBeliefs(
                belief.served[ascending].astype(np.float16),
                {**control.model.export_extension(), "temperature": np.array(belief.temperature)},
            )
            for control, belief in zip(pool.controls, beliefs, strict=True)
        ],
    )


def _record_built_in(
    runtime: Runtime, project: Project, served: str, beliefs: list[ControlBelief], annotated_tasks: int
) -> None:
    """WordNet and propagation are versions too: kept with their figures, so that a head can be compared with them.

    An adapted graph goes on learning as propagation does; it has a row already, made by the training.
    """
    measured = beliefs[0].evaluation
    if project.projection:
        figures = {"evaluation": measured[project.projection]} if project.projection in measured else {}
        update_version(runtime, project.id, project.projection, annotations=annotated_tasks, **figures)
    elif served not in BUILT_IN and served in measured:
        update_version(runtime, project.id, served, evaluation=measured[served])
    for name in BUILT_IN:
        if name == PROPAGATION and (not annotated_tasks or project.projection):
            continue
        if project.backbone and name != served:
            continue  # its figures are those through BACKBONE's backbone
        values: dict[str, Any] = {
            "kind": name,
            "backbone": runtime.backbone.id,
            "annotations": annotated_tasks if name == PROPAGATION else 0,
            "evaluation": measured.get(name, {}),
            "status": "serving" if name == served else "retired",
        }
        record_version(runtime, project.id, name, **values)


def _ask_for_training(runtime: Runtime, project_id: int, options: ProjectOptions, annotated: Annotated) -> None:
    """Ask for a training once enough is new; while one waits or runs, the refresh that follows it looks again."""
    if runtime.jobs.pending(JobKind.TRAIN, project_id):
        return
    new = annotated.count - find_project(runtime, project_id).trained_annotations
    if new >= options.retrain_every:
        log.info("project %s: %d new annotations, retraining", project_id, new)
        runtime.jobs.enqueue(JobKind.TRAIN, project_id)
