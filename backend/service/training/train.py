"""The train job: every learner learns from all annotations, is measured and kept, and serves where it is better."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backend.errors import BackendError
from backend.jobs.kinds import JobKind
from backend.priority import evaluation_mask
from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.context.label_cache import ProjectLabels
from backend.service.pool.cache import PoolCache, ProjectPool
from backend.service.pool.predictions import Annotated, predict_pool, read_annotations
from backend.service.projects.options import adaptation_options, project_options
from backend.service.projects.project import find_project
from backend.service.training.data import TrainingData, training_data
from backend.service.training.learners import ADAPTED, FitResult, Learner, TrainingOptions, learners_for
from backend.service.training.model_selection import CandidateScores, Selection, evaluate_candidate, select
from backend.service.versions.artifacts import fitting_heads, head_folder, load_heads, save_heads, save_projections
from backend.service.versions.registry import (
    BUILT_IN,
    PROPAGATION,
    EmbeddingConfig,
    conclude_training,
    find_version,
    learner_of,
    list_versions,
    update_version,
)
from backend.storage.schema import Project

log = logging.getLogger(__name__)

NUMBERED = re.compile(r"(?:head|adapted|fine-tuned)-(\d+)")


@dataclass(frozen=True)
class TrainedVersion:
    """A new version: what one learner made, for each control."""

    version: str
    learner: Learner
    results: list[FitResult]
    seconds: float


def train_project(
    runtime: Runtime,
    pools: PoolCache,
    project_id: int,
    progress: Progress,
    *,
    adaptation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Let every learner learn, measure it, and promote the best if it is better than what serves.

    Args:
        adaptation: hyper-parameters of the projection for this training; None: the project's.

    Returns: the new versions, the promoted one if any, and a `message`. Where nothing is new since the last training there
        are no versions, and the message says so.

    Raises:
        BackendError: reason `no_annotations` when nothing is annotated yet.
        SettingsError: a hyper-parameter is unknown or not allowed.
    """
    project = find_project(runtime, project_id)
    options = project_options(runtime.settings, project.extra_params)
    adapt = adaptation_options(options.adaptation, adaptation)
    with pools.lock(project_id):
        pool = pools.current(project, options.relevance, options.seed)
        annotated = read_annotations(runtime, project_id, pool, options.evaluation_share)
        if not any(len(targets.train[0]) for targets in annotated.targets):
            raise BackendError("Nothing is annotated yet: annotate some tasks, then train.", reason="no_annotations")
        key = _learned_from(project, pool, annotated, {} if adapt is None else asdict(adapt))
        if key == project.learned_from:
            return _nothing_new(runtime, project, pool, annotated)
        serving, predictions = predict_pool(runtime, project.id, EmbeddingConfig.of(project), pool, annotated)
        sample = evaluation_mask(pool.digests, options.evaluation_share)
        data = [
            training_data(pool, annotated, prediction, n, sample, options.seed)
            for n, prediction in enumerate(predictions)
        ]
    spaces = [control.space for control in pool.controls]
    wanted = TrainingOptions(adapt, fitting_heads(load_heads(runtime, project.id, serving), spaces))
    trained = _train_all(data, learners_for(data, wanted), wanted, next_number(runtime, project_id), progress)
    learner = learner_of(runtime, project.id, serving)
    scores = {
        item.version: evaluate_candidate(
            data[0],
            item.results[0].predictions,
            item.version,
            serving,
            renewed=item.learner.name == learner,
            seed=options.seed,
        )
        for item in trained
    }
    again = _propagation_again(project, data[0], serving)
    selection = select(scores | again, pinned=project.pinned)
    rows = {
        item.version: _row(runtime, project, item, pool.labels, serving, annotated.count, scores, selection)
        for item in trained
    }
    for note in selection.notes.values():
        log.info("project %s: %s", project_id, note)
    promoted = selection.promoted
    serves = conclude_training(
        runtime,
        project_id,
        rows,
        promoted=promoted,
        seen=EmbeddingConfig.of(project),
        annotations=annotated.count,
        learned_from=key,
    )
    if selection.asked in again:
        asked = again[selection.asked].comparison(pool.labels.key).to_json()
        update_version(runtime, project_id, selection.asked, comparison=asked, note=selection.notes[selection.asked])
    runtime.jobs.enqueue(JobKind.REFRESH, project_id, {"republish": True})
    notes = [find_version(runtime, project_id, version).note for version in rows]
    return {
        "versions": list(rows),
        "promoted": promoted if serves else None,
        "projection": find_project(runtime, project_id).projection,
        "notes": notes,
        "message": "; ".join(notes),
    }


def _learned_from(project: Project, pool: ProjectPool, annotated: Annotated, adaptation: Mapping[str, Any]) -> str:
    """A digest of all that a training learns from: with the same, it would make the same again."""
    found = hashlib.sha256(json.dumps([pool.labels.key, project.backbone, project.projection, adaptation]).encode())
    kept = ~pool.gone
    order = np.argsort(pool.task_ids[kept], kind="stable")
    found.update(pool.task_ids[kept][order].tobytes())
    for targets in annotated.targets:
        order = np.argsort(pool.task_ids[targets.rows], kind="stable")
        for values in (pool.task_ids[targets.rows], targets.values, targets.evaluation):
            found.update(np.ascontiguousarray(values[order]).tobytes())
    return found.hexdigest()


def _nothing_new(runtime: Runtime, project: Project, pool: ProjectPool, annotated: Annotated) -> dict[str, Any]:
    """What a training says that would make the last one's versions again."""
    trained = [item.version for item in list_versions(runtime, project.id) if item.version not in BUILT_IN]
    last = trained[-1] if trained else PROPAGATION
    message = (
        f"nothing new to learn from since {last}: the same {annotated.count:,} annotated of {len(pool.row_of):,} photos. "
        "No version was made; annotate more, then train."
    )
    log.info("project %s: %s", project.id, message)
    return {"versions": [], "promoted": None, "projection": project.projection, "notes": [message], "message": message}


def _propagation_again(project: Project, data: TrainingData, serving: str) -> dict[str, CandidateScores]:
    """Propagation learns on with every annotation: where a head serves it may win its place back.

    Not where a fine-tuned backbone serves: the version of that name goes without it.
    """
    propagated = project.projection or PROPAGATION
    if serving in (propagated, *BUILT_IN) or project.backbone:
        return {}
    return {propagated: evaluate_candidate(data, data.propagated, propagated, serving)}


def _train_all(
    data: list[TrainingData], learners: Sequence[Learner], wanted: TrainingOptions, number: int, progress: Progress
) -> list[TrainedVersion]:
    """Every learner on every control, each learner as a version of its own."""
    share = 1.0 / (len(learners) * len(data))
    trained: list[TrainedVersion] = []
    for place, learner in enumerate(learners):
        started = time.monotonic()
        results = []
        for control, part in enumerate(data):
            report = _part(progress, (place * len(data) + control) * share, share, learner.name)
            start = wanted.warm_start[control] if wanted.warm_start else None
            results.append(learner.fit(part, wanted, start, report))
        trained.append(TrainedVersion(f"{learner.kind}-{number + place}", learner, results, time.monotonic() - started))
    return trained


def _row(
    runtime: Runtime,
    project: Project,
    item: TrainedVersion,
    labels: ProjectLabels,
    serving: str,
    annotations: int,
    scores: Mapping[str, CandidateScores],
    selection: Selection,
) -> dict[str, Any]:
    """Write the files of a version; what its row says of it. A row is stored only when they are whole."""
    folder = head_folder(runtime, project.id, item.version)
    shutil.rmtree(folder, ignore_errors=True)  # left by a training that was cut off: no row names it
    heads = [result.head for result in item.results if result.head is not None]
    projections = [result.projection for result in item.results]
    return {
        "kind": item.learner.kind,
        "status": "candidate",
        "backbone": project.backbone or runtime.backbone.id,
        "learner": item.learner.name,
        "weights_digest": save_heads(folder, heads, labels.spaces) if heads else save_projections(folder, projections),
        "artifact": str(folder.relative_to(runtime.settings.state_dir)),
        "seconds": item.seconds,
        "parent": serving,
        "projection": item.version if item.learner.name == ADAPTED else project.projection,
        "annotations": annotations,
        "evaluation": scores[item.version].figures.to_json(),
        "comparison": scores[item.version].comparison(labels.key).to_json()
        if item.version == selection.asked
        else None,
        "note": selection.notes[item.version],
    }


def next_number(runtime: Runtime, project_id: int) -> int:
    """Number of the next trained version; they count on across kinds."""
    numbers = [NUMBERED.fullmatch(item.version) for item in list_versions(runtime, project_id)]
    return 1 + max((int(found.group(1)) for found in numbers if found), default=0)


def _part(progress: Progress, start: float, share: float, name: str = "") -> Progress:
    """Progress of a part of the job, as progress of the whole."""
    return lambda fraction, message: progress(start + share * fraction, f"{name}: {message}" if name else message)
