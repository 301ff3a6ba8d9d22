"""The train job: a head for each control from all annotations, measured, kept, and promoted only if it is better."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import update

from backend.errors import BackendError
from backend.learning.evaluation import evaluate, photo_scores
from backend.learning.head import Head, HeadOptions, train_head
from backend.learning.promotion import Candidate, decide
from backend.service.beliefs import Annotated, ControlBelief, believe, read_annotations
from backend.service.models import head_folder, list_versions, load_heads, record_version, serve
from backend.service.options import project_options
from backend.service.pool import PoolCache, ProjectPool
from backend.service.projects import find_project
from backend.service.runtime import Runtime
from backend.storage.schema import Project

log = logging.getLogger(__name__)

HEAD_NAME = re.compile(r"head-(\d+)")

Progress = Callable[[float, str], None]


def train_project(runtime: Runtime, pools: PoolCache, project_id: int, progress: Progress) -> dict[str, Any]:
    """Train, measure and perhaps promote a head. Returns the new version, what serves, and a `message`.

    Raises:
        BackendError: reason `no_annotations` when nothing is annotated yet.
    """
    started = time.monotonic()
    project = find_project(runtime, project_id)
    options = project_options(runtime.settings, project.extra_params)
    with pools.lock(project_id):
        pool = pools.current(project, options.relevance, options.seed)
        annotated = read_annotations(runtime, project_id, pool, options.evaluation_share)
        if not any(len(targets.train[0]) for targets in annotated.targets):
            raise BackendError("Nothing is annotated yet: annotate some tasks, then train.", reason="no_annotations")
        serving, beliefs = believe(runtime, project, pool, annotated)
        # Views of the pool's arrays would change under the training when tasks join: it takes its own.
        inputs = [_Inputs(pool, annotated, number) for number in range(len(pool.controls))]
    previous = load_heads(runtime, project, serving)
    version = f"head-{_next_number(runtime, project_id)}"
    heads = []
    for number, data in enumerate(inputs):
        share = 1.0 / len(inputs)
        heads.append(
            _train_control(data, previous[number] if previous else None, _part(progress, number * share, share))
        )
    folder = head_folder(runtime, project_id, version)
    digests = [head.save(folder / f"control-{number}") for number, head in enumerate(heads)]
    evaluation, note, promoted = _judge(project, serving, beliefs, annotated, version, heads, inputs)
    record_version(
        runtime,
        project_id,
        version,
        kind="head",
        parent=serving,
        status="candidate",
        backbone=runtime.backbone.id,
        weights_digest=digests[0],
        artifact=str(folder.relative_to(runtime.settings.state_dir)),
        annotations=annotated.count,
        evaluation=evaluation,
        note=note,
        seconds=time.monotonic() - started,
    )
    log.info("project %s: %s", project_id, note)
    if promoted:
        serve(runtime, project_id, version, pinned=False)
    _mark_trained(runtime, project_id, annotated.count)
    runtime.enqueue("refresh", project_id, {"republish": True})
    return {"version": version, "promoted": promoted, "evaluation": evaluation, "message": note}


class _Inputs:
    """Arrays that the training of one control reads."""

    def __init__(self, pool: ProjectPool, annotated: Annotated, number: int) -> None:
        targets, prior = annotated.targets[number], pool.controls[number].model.prior
        rows, self.targets = targets.train
        held, self.held_targets = targets.held_out
        self.embeddings, self.prior = pool.embeddings[rows], prior[rows]
        self.held_embeddings, self.held_prior, self.held_rows = pool.embeddings[held], prior[held], held
        self.multiple = pool.controls[number].space.control.multiple


def _train_control(data: _Inputs, warm_start: Head | None, progress: Progress) -> Head:
    return train_head(
        data.embeddings,
        data.targets,
        HeadOptions(multiple=data.multiple),
        evaluation=(data.held_embeddings, data.held_targets) if len(data.held_rows) else None,
        warm_start=warm_start,
        progress=progress,
        prior=data.prior,
    )


def _judge(
    project: Project,
    serving: str,
    beliefs: list[ControlBelief],
    annotated: Annotated,
    version: str,
    heads: list[Head],
    inputs: list[_Inputs],
) -> tuple[dict[str, Any], str, bool]:
    """Figures on the evaluation sample, a sentence, and whether the new version serves from now on."""
    serving_scores, new_scores = [], []
    evaluation: dict[str, Any] = {}
    for belief, head, data in zip(beliefs, heads, inputs, strict=True):
        if not len(data.held_rows):
            continue
        predicted = head.predict(data.held_embeddings, data.held_prior)
        served = belief.served[data.held_rows]
        serving_scores.append(photo_scores(served, data.held_targets, multiple=data.multiple))
        new_scores.append(photo_scores(predicted, data.held_targets, multiple=data.multiple))
        if not evaluation:
            evaluation = evaluate(predicted, data.held_targets, multiple=data.multiple).to_json()
    empty = np.zeros(0)
    decision = decide(
        Candidate(serving, np.concatenate(serving_scores) if serving_scores else empty),
        [Candidate(version, np.concatenate(new_scores) if new_scores else empty)],
    )
    note = next(verdict.sentence for verdict in decision.verdicts if verdict.version == version)
    if decision.changed and project.pinned:
        return evaluation, f"{note}; not promoted, since a person chose {serving}", False
    return evaluation, note, decision.changed


def _next_number(runtime: Runtime, project_id: int) -> int:
    numbers = [HEAD_NAME.fullmatch(item.version) for item in list_versions(runtime, project_id)]
    return 1 + max((int(found.group(1)) for found in numbers if found), default=0)


def _mark_trained(runtime: Runtime, project_id: int, annotated: int) -> None:
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(trained_annotations=annotated))


def _part(progress: Progress, start: float, share: float) -> Progress:
    return lambda fraction, message: progress(start + share * fraction, message)
