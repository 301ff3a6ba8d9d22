"""The train job: heads from all annotations, measured, kept, and promoted only if better than what serves."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import update

from backend.errors import BackendError
from backend.learning.evaluation import evaluate, photo_scores
from backend.learning.head import Head
from backend.learning.promotion import Candidate, decide
from backend.priority import evaluation_mask
from backend.service.beliefs import believe, read_annotations
from backend.service.challengers import CHALLENGERS, TrainingData, challengers_for, training_data
from backend.service.models import head_folder, list_versions, load_heads, record_version, serve
from backend.service.options import project_options
from backend.service.pool import PoolCache
from backend.service.projects import find_project
from backend.service.runtime import Runtime
from backend.storage.schema import Project

log = logging.getLogger(__name__)

HEAD_NAME = re.compile(r"head-(\d+)")

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Trained:
    """A new version: one head for each control, made by the challenger of this name."""

    version: str
    challenger: str
    heads: list[Head]
    seconds: float


def train_project(runtime: Runtime, pools: PoolCache, project_id: int, progress: Progress) -> dict[str, Any]:
    """Train the challengers, measure them, and promote the best if it beats what serves.

    Returns: the version that was made last or promoted, what serves, and a `message`.

    Raises:
        BackendError: reason `no_annotations` when nothing is annotated yet.
    """
    project = find_project(runtime, project_id)
    options = project_options(runtime.settings, project.extra_params)
    with pools.lock(project_id):
        pool = pools.current(project, options.relevance, options.seed)
        annotated = read_annotations(runtime, project_id, pool, options.evaluation_share)
        if not any(len(targets.train[0]) for targets in annotated.targets):
            raise BackendError("Nothing is annotated yet: annotate some tasks, then train.", reason="no_annotations")
        serving, beliefs = believe(runtime, project, pool, annotated)
        sample = evaluation_mask(pool.digests, options.evaluation_share)
        data = [training_data(pool, annotated, belief, n, sample, options.seed) for n, belief in enumerate(beliefs)]
    previous = load_heads(runtime, project, serving)
    trained = _train_all(data, previous, _next_number(runtime, project_id), progress)
    notes, promoted = _judge(project, serving, data, trained)
    for item in trained:
        _keep(runtime, project_id, item, data, serving, annotated.count, notes[item.version])
        log.info("project %s: %s", project_id, notes[item.version])
    if promoted is not None:
        serve(runtime, project_id, promoted, pinned=False)
    _mark_trained(runtime, project_id, annotated.count)
    runtime.enqueue("refresh", project_id, {"republish": True})
    return {
        "versions": [item.version for item in trained],
        "promoted": promoted,
        "message": "; ".join(notes[item.version] for item in trained),
    }


def _train_all(data: list[TrainingData], previous: list[Head] | None, number: int, progress: Progress) -> list[Trained]:
    """Every challenger that fits, each as a version of its own."""
    names = [name for name in CHALLENGERS if all(name in challengers_for(part) for part in data)]
    share = 1.0 / (len(names) * len(data))
    trained: list[Trained] = []
    for place, name in enumerate(names):
        started = time.monotonic()
        heads = []
        for control, part in enumerate(data):
            report = _part(progress, (place * len(data) + control) * share, share, name)
            heads.append(CHALLENGERS[name](part, previous[control] if previous else None, report))
        trained.append(Trained(f"head-{number + place}", name, heads, time.monotonic() - started))
    return trained


def _judge(
    project: Project, serving: str, data: list[TrainingData], trained: list[Trained]
) -> tuple[dict[str, str], str | None]:
    """A sentence about each new version, and the one that serves from now on, if any does."""
    challengers = [Candidate(item.version, _scores(data, _predictions(item, data))) for item in trained]
    decision = decide(Candidate(serving, _scores(data, [part.held_served for part in data])), challengers)
    said = {verdict.version: verdict.sentence for verdict in decision.verdicts}
    notes = {item.version: f"{said[item.version]} ({item.challenger})" for item in trained}
    if not decision.changed:
        return notes, None
    if project.pinned:
        notes[decision.serves] += f"; not promoted all the same, since a person chose {serving}"
        return notes, None
    return notes, decision.serves


def _predictions(item: Trained, data: list[TrainingData]) -> list[NDArray[np.float32]]:
    return [head.predict(part.held_embeddings, part.held_prior) for head, part in zip(item.heads, data, strict=True)]


def _scores(data: list[TrainingData], predictions: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Score of every evaluation photo of every control, one after the other."""
    return np.concatenate(
        [
            photo_scores(predicted, part.held_targets, multiple=part.multiple) if len(predicted) else np.zeros(0)
            for predicted, part in zip(predictions, data, strict=True)
        ]
    )


def _keep(
    runtime: Runtime, project_id: int, item: Trained, data: list[TrainingData], parent: str, annotations: int, note: str
) -> None:
    """Write a version's files, then its row: a row never names files that are not whole."""
    folder = head_folder(runtime, project_id, item.version)
    digests = [head.save(folder / f"control-{number}") for number, head in enumerate(item.heads)]
    measured = {}
    if len(data[0].held_targets):
        predicted = item.heads[0].predict(data[0].held_embeddings, data[0].held_prior)
        measured = evaluate(predicted, data[0].held_targets, multiple=data[0].multiple).to_json()
    record_version(
        runtime,
        project_id,
        item.version,
        kind="head",
        parent=parent,
        status="candidate",
        backbone=runtime.backbone.id,
        weights_digest=digests[0],
        artifact=str(folder.relative_to(runtime.settings.state_dir)),
        annotations=annotations,
        evaluation=measured,
        note=note,
        seconds=item.seconds,
    )


def _next_number(runtime: Runtime, project_id: int) -> int:
    numbers = [HEAD_NAME.fullmatch(item.version) for item in list_versions(runtime, project_id)]
    return 1 + max((int(found.group(1)) for found in numbers if found), default=0)


def _mark_trained(runtime: Runtime, project_id: int, annotated: int) -> None:
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(trained_annotations=annotated))


def _part(progress: Progress, start: float, share: float, name: str) -> Progress:
    return lambda fraction, message: progress(start + share * fraction, f"{name}: {message}")
