"""The order of a project: by what each answer would teach, then what two models disagree on, then what people wish."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.priority import Order, PoolView, order_pool
from backend.priority.asked_first import ask_first
from backend.service.context.context import Runtime
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import Annotated, ControlPrediction, Targets
from backend.service.projects.options import ProjectOptions
from backend.service.queue.overrides import apply_overrides

COMPARED = "two models disagree: your answer tells which one is better"


def order_project(
    runtime: Runtime,
    project_id: int,
    pool: ProjectPool,
    annotated: Annotated,
    predictions: Sequence[ControlPrediction],
    options: ProjectOptions,
    compared: Sequence[int],
) -> Order:
    """Order the photos of a pool that wait for an answer.

    Args:
        compared: tasks whose answer tells which of two versions is better; they come first.
    """
    view = view_of(pool, annotated, predictions, options.seed)
    order = order_pool(view, options.order_options(), rows=np.flatnonzero(~pool.gone), layouts=pool.layouts)
    order = ask_first(order, [pool.row_of[task] for task in compared if task in pool.row_of], COMPARED)
    return apply_overrides(runtime, project_id, pool, order)


def view_of(pool: ProjectPool, annotated: Annotated, predictions: Sequence[ControlPrediction], seed: int) -> PoolView:
    """The pool as the order sees it: through its first control; answered and deleted tasks are not in the queue."""
    control, prediction, targets = pool.controls[0], predictions[0], annotated.targets[0]
    space = control.space
    tree = space.tree
    labelled = annotated.answered | pool.gone
    learned_from = np.zeros(pool.n, dtype=bool)
    learned_from[targets.train[0]] = True
    return PoolView(
        space=control.model.space,
        probabilities=prediction.propagated if control.model.unmixed is None else control.model.unmixed,
        labelled=labelled,
        digests=pool.digests,
        head_probabilities=prediction.head,
        membership=tree.membership,
        node_names=space.node_titles,
        label_names=tuple(label.title for label in space.control.labels),
        relevance=_relevance(pool),
        unknown=pool.unknown,
        annotated_probabilities=_said(labelled, pool, targets),
        neighbours=control.model.neighbours,
        similarities=control.model.similarities,
        same_photo=control.model.same_photo,
        learned_from=learned_from,
        shown=prediction.served,
        several=control.model.several,
        rng_seed=seed,
    )


def _relevance(pool: ProjectPool) -> NDArray[np.float32] | None:
    """Whether each photo belongs, float32 [n] in [0, 1]: by the first control, else by another one that tells it.

    Many teams ask what a photo shows by one tag, and by a second one whether it is to be used at all.
    """
    return next((item.model.relevance for item in pool.controls if item.model.relevance is not None), None)


def _said(labelled: NDArray[np.bool_], pool: ProjectPool, targets: Targets) -> NDArray[np.float32]:
    """What is known of the labelled rows, in row order: the annotation; nothing where it was skipped or is deleted."""
    said = np.zeros((pool.n, targets.values.shape[1]), dtype=np.float32)
    said[targets.rows] = targets.values
    said[pool.gone] = 0.0
    known: NDArray[np.float32] = said[labelled]
    return known
