"""The preview job: how the queue would start with other options, beside how it starts now; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache, ProjectPool, build_pool, embedded_tasks
from backend.service.pool.predictions import answers_of, predict_pool, read_annotations
from backend.service.projects.labels import labels_of
from backend.service.projects.options import ProjectOptions, project_options
from backend.service.projects.project import find_project
from backend.service.queue.ordering import order_project
from backend.service.versions.comparisons import open_comparison
from backend.service.versions.registry import EmbeddingConfig
from backend.storage.schema import Project

SHOWN = 20


def preview_order(
    runtime: Runtime, pools: PoolCache, project_id: int, extra_params: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """The first `SHOWN` places with these extra params, and with those that the project has.

    Returns: `now` and `then`, lists of task and reason, and a `message`.
    """
    project = find_project(runtime, project_id)
    options = project_options(runtime.settings, project.extra_params)
    wanted = project_options(runtime.settings, extra_params)
    with pools.lock(project_id):
        now = _first(runtime, project, pools.current(project, options.relevance, options.seed), options)
        progress(0.5, "the queue as it is")
        if (wanted.relevance, wanted.seed) == (options.relevance, options.seed):
            pool = pools.current(project, options.relevance, options.seed)
        else:  # a pool of its own: the one in memory stays that of the project
            config, labels = EmbeddingConfig.of(project), labels_of(runtime, project)
            rows = embedded_tasks(runtime, project_id)
            pool = build_pool(runtime, project_id, config, labels, wanted.relevance, rows, wanted.seed)
        then = _first(runtime, project, pool, wanted)
    stay = {item["task"] for item in now} & {item["task"] for item in then}
    message = f"{len(then) - len(stay)} of the first {len(then)} photos would be others"
    return {"now": now, "then": then, "message": message}


def _first(runtime: Runtime, project: Project, pool: ProjectPool, options: ProjectOptions) -> list[dict[str, Any]]:
    if not pool.row_of:
        return []
    annotated = read_annotations(runtime, project.id, pool, options.evaluation_share)
    _, predictions = predict_pool(runtime, project.id, EmbeddingConfig.of(project), pool, annotated)
    comparison = open_comparison(runtime, project.id)
    answers = answers_of(pool, annotated)
    photos = comparison[1].photos if comparison is not None else ()
    compared = [photo.task_id for photo in photos if photo.task_id not in answers]
    order = order_project(runtime, project.id, pool, annotated, predictions, options, compared)
    shown = min(SHOWN, options.window_size, order.rows.size)
    return [{"task": int(pool.task_ids[order.rows[place]]), "reason": order.reasons[place]} for place in range(shown)]
