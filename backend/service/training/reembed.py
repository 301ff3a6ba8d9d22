"""The reembed job: all photos of a project through a fine-tuned backbone, and whether what learns from that serves.

What served goes on serving meanwhile: embeddings are kept by backbone, and the project uses the new one only from
the moment that a version made with it serves.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.features import Backbone
from backend.jobs.kinds import JobKind
from backend.priority import evaluation_mask
from backend.progress import Progress, silent
from backend.service.context.backbones import tuned_folder, tuned_metadata
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import embed_tasks, note_failure, unseen_photos
from backend.service.pool.cache import PoolCache, build_pool, embedded_tasks
from backend.service.pool.predictions import predict_pool, read_annotations
from backend.service.projects.annotations import live_annotations
from backend.service.projects.labels import labels_of
from backend.service.projects.options import ProjectOptions, project_options
from backend.service.projects.project import find_project
from backend.service.projects.tasks import count_tasks, count_unseen
from backend.service.training.data import MAX_DISTILLED_ROWS, TrainingData, training_data
from backend.service.training.learners import HEAD, TrainingOptions
from backend.service.training.model_selection import evaluate_candidate, select
from backend.service.training.train import next_number
from backend.service.versions.artifacts import head_folder, save_heads
from backend.service.versions.registry import (
    EmbeddingConfig,
    find_version,
    list_versions,
    record_version,
    serve_unless_chosen,
)
from backend.storage.schema import ModelVersion, Project

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

FINE_TUNED = "fine_tuned"  # the kind of the versions
EMBEDDING_SHARE = 0.9  # of the progress


def reembed_project(
    runtime: Runtime, pools: PoolCache, project_id: int, tuned: str, progress: Progress
) -> dict[str, Any]:
    """Embed all photos of a project by a fine-tuned backbone, train heads on that, and promote the best if it is better.

    A job that was cut off goes on where it was: what is stored is not embedded again.

    Args:
        tuned: id of the backbone.

    Raises:
        BackendError: reason `no_annotations` when the annotations are gone.
        WeightsError: the weights of the backbone are gone.
    """
    started = time.monotonic()
    progress(0.0, f"opening {tuned}; converting it takes half a minute the first time")
    backbone = runtime.backbone_of(tuned)
    failed = _embed_all(runtime, project_id, backbone, lambda part, said: progress(EMBEDDING_SHARE * part, said))
    progress(EMBEDDING_SHARE, "training on the new embeddings")
    project = find_project(runtime, project_id)
    known = _version_of(runtime, project_id, tuned)
    if known is not None and known.version == project.serving_version:  # the job was cut off after that
        runtime.jobs.enqueue(JobKind.REFRESH, project_id, {"republish": True})
        return {"version": known.version, "promoted": known.version, "message": f"{known.version} serves already"}
    serving, annotations, data = _data(runtime, pools, project, tuned)
    results = [HEAD.fit(part, TrainingOptions(), None, silent) for part in data]
    version = known.version if known else f"fine-tuned-{next_number(runtime, project_id)}"
    scores = evaluate_candidate(data[0], results[0].predictions, version, serving)
    selection = select({version: scores}, pinned=project.pinned)
    metadata = tuned_metadata(tuned_folder(runtime.settings, project_id)).get(tuned, {})
    note = selection.notes[version]
    if metadata:
        note += f" (fine-tuned on {metadata['photos']} photos in {metadata['options']['epochs']} epochs)"
    folder = head_folder(runtime, project_id, version)
    heads = [result.head for result in results if result.head is not None]
    labels = labels_of(runtime, project)
    digest = save_heads(folder, heads, labels.spaces)
    record_version(
        runtime,
        project_id,
        version,
        kind=FINE_TUNED,
        parent=serving,
        status="candidate",
        backbone=tuned,
        projection="",
        learner=HEAD.name,
        weights_digest=digest,
        artifact=str(folder.relative_to(runtime.settings.state_dir)),
        annotations=annotations,
        evaluation=scores.figures.to_json(),
        comparison=scores.comparison(labels.key).to_json() if selection.asked else None,
        note=note,
        seconds=float(metadata.get("seconds", 0.0)) + time.monotonic() - started,
    )
    log.info("project %s: %s", project_id, note)
    promoted = selection.promoted
    if promoted is not None and not serve_unless_chosen(runtime, project_id, version, EmbeddingConfig.of(project)):
        promoted, note = None, find_version(runtime, project_id, version).note
    runtime.jobs.enqueue(JobKind.REFRESH, project_id, {"republish": True})
    return {"version": version, "promoted": promoted, "unreadable": failed, "message": note}


def _embed_all(runtime: Runtime, project_id: int, backbone: Backbone, progress: Progress) -> int:
    """Embed what the backbone has not seen yet; the number of photos that cannot be read now."""
    with runtime.database.session() as session:
        total = count_tasks(session, project_id)["embedded"]
        left = count_unseen(session, project_id, backbone.id)
    done = total - left
    failed = 0
    for tasks in unseen_photos(runtime, project_id, backbone.id, left):
        for item in embed_tasks(runtime, backbone, tasks, note=False):
            done += 1
            if item.error is not None:
                failed += 1
                note_failure(project_id, item.key, item.error)
        progress(min(done / total, 1.0), f"{done} of {total} photos embedded by {backbone.id}, {failed} unreadable")
    return failed


def _version_of(runtime: Runtime, project_id: int, tuned: str) -> ModelVersion | None:
    """The version that an earlier run of the job made with this backbone."""
    found = [item for item in list_versions(runtime, project_id) if (item.kind, item.backbone) == (FINE_TUNED, tuned)]
    return found[0] if found else None


def _data(runtime: Runtime, pools: PoolCache, project: Project, tuned: str) -> tuple[str, int, list[TrainingData]]:
    """What serves now, the number of annotated tasks, and the data of each control through the fine-tuned backbone.

    Only photos that both backbones have seen are compared.
    """
    options = project_options(runtime.settings, project.extra_params)
    with pools.lock(project.id):
        pool = pools.current(project, options.relevance, options.seed)
        serving, predictions = predict_pool(
            runtime,
            project.id,
            EmbeddingConfig.of(project),
            pool,
            read_annotations(runtime, project.id, pool, options.evaluation_share),
        )
        row_of = dict(pool.row_of)
    served = [prediction.served for prediction in predictions]
    config = EmbeddingConfig(backbone=tuned)
    rows = _some_rows(runtime, project.id, options)
    sharper = build_pool(
        runtime, project.id, config, labels_of(runtime, project), options.relevance, rows, options.seed
    )
    annotated = read_annotations(runtime, project.id, sharper, options.evaluation_share)
    if not any(len(targets.train[0]) for targets in annotated.targets):
        raise BackendError(
            f"No annotated photo of project {project.id} is embedded by {tuned}: see the log for the reasons.",
            reason="no_annotations",
        )
    sample = evaluation_mask(sharper.digests, options.evaluation_share)
    _, fresh = predict_pool(runtime, project.id, config, sharper, annotated)
    before = np.array([row_of.get(int(task), -1) for task in sharper.task_ids], dtype=np.intp)
    data = []
    for number, prediction in enumerate(fresh):
        part = training_data(sharper, annotated, prediction, number, sample, options.seed)
        both = before >= 0
        held = both[part.held]
        seen_by_both = np.zeros_like(part.served)
        seen_by_both[both] = served[number][before[both]]
        data.append(
            replace(
                part,
                held=part.held[held],
                held_targets=part.held_targets[held],
                served=seen_by_both,
                unlabelled=part.unlabelled & both,
            )
        )
    return serving, annotated.count, data


def _some_rows(runtime: Runtime, project_id: int, options: ProjectOptions) -> list[tuple[int, str]]:
    """Every annotated task, and as many others as a training looks at."""
    rows = embedded_tasks(runtime, project_id)
    if len(rows) <= MAX_DISTILLED_ROWS:
        return rows
    with runtime.database.session() as session:
        annotated = live_annotations(session, project_id)
    chosen = np.random.default_rng(options.seed).random(len(rows)) < MAX_DISTILLED_ROWS / len(rows)
    return [row for row, take in zip(rows, chosen, strict=True) if take or row[0] in annotated]
