"""The train job: every recipe learns from all annotations, is measured, kept, and promoted only if better than what serves."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import BackendError
from backend.jobs.kinds import JobKind
from backend.learning.promotion import Decision
from backend.priority import evaluation_mask
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache
from backend.service.pool.predictions import believe, read_annotations
from backend.service.projects.options import adaptation_options, project_options
from backend.service.projects.project import find_project
from backend.service.training.data import TrainingData, training_data
from backend.service.training.learners import ADAPTED, PRIOR, PROPAGATED, Learned, Recipe, Wanted, recipes_for
from backend.service.training.model_selection import (
    Contest,
    hold,
)
from backend.service.versions.artifacts import head_folder, load_heads, save_heads, save_projections
from backend.service.versions.registry import (
    PROPAGATION,
    WORDNET,
    conclude_training,
    list_versions,
    recipe_of,
)
from backend.storage.schema import Project

log = logging.getLogger(__name__)

NUMBERED = re.compile(r"(?:head|adapted|fine-tuned)-(\d+)")
TRAINING_SHARE = 0.5  # of the progress; the rest is the contest

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Trained:
    """A new version: what one recipe made, for each control."""

    version: str
    recipe: Recipe
    learned: list[Learned]
    seconds: float


def train_project(
    runtime: Runtime,
    pools: PoolCache,
    project_id: int,
    progress: Progress,
    *,
    adaptation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Let every recipe learn, measure it, and promote the best if it beats what serves.

    Args:
        adaptation: hyper-parameters of the projection for this training; None: the project's.

    Returns: the new versions, the promoted one if any, and a `message`.

    Raises:
        BackendError: reason `no_annotations` when nothing is annotated yet.
        SettingsError: a hyper-parameter is unknown or not allowed.
    """
    project = find_project(runtime, project_id)
    options = project_options(runtime.settings, project.extra_params)
    wanted_adaptation = adaptation_options(options.adaptation, adaptation)
    with pools.lock(project_id):
        pool = pools.current(project, options.relevance, options.seed)
        annotated = read_annotations(runtime, project_id, pool, options.evaluation_share)
        if not any(len(targets.train[0]) for targets in annotated.targets):
            raise BackendError("Nothing is annotated yet: annotate some tasks, then train.", reason="no_annotations")
        serving, beliefs = believe(runtime, project, pool, annotated)
        sample = evaluation_mask(pool.digests, options.evaluation_share)
        data = [training_data(pool, annotated, belief, n, sample, options.seed) for n, belief in enumerate(beliefs)]
    wanted = Wanted(wanted_adaptation, load_heads(runtime, project.id, serving))
    recipes = recipes_for(data, wanted)
    trained = _train_all(data, recipes, wanted, next_number(runtime, project_id), _part(progress, 0, TRAINING_SHARE))
    learned = {item.recipe.name: item.learned for item in trained}
    judging = _part(progress, TRAINING_SHARE, 1 - TRAINING_SHARE)
    # A fine-tuned backbone has learned from every annotated photo: nothing can be held out from its embeddings.
    contest = hold(data, recipes, learned, wanted, options.seed, judging, cross=not project.backbone)
    versions = {item.recipe.name: item.version for item in trained}
    decision = _decide(runtime, project, serving, contest, versions)
    graph = graph_of_choice(project, contest, versions)
    said = {verdict.version: verdict.sentence for verdict in decision.verdicts}
    promoted = None if project.pinned or decision.serves == serving else decision.serves
    rows = {}
    for item in trained:
        note = f"{said[item.version]} ({item.recipe.name})"
        if project.pinned and item.version == decision.serves:
            note += f"; not promoted all the same, since a person chose {serving}"
        rows[item.version] = _write(runtime, project, item) | {
            "parent": serving,
            "projection": item.version if item.recipe.name == ADAPTED else graph,
            "annotations": annotated.count,
            "evaluation": contest.figures(item.recipe.name),
            "note": note,
        }
        log.info("project %s: %s", project_id, note)
    in_use = project.projection if project.pinned else graph
    conclude_training(runtime, project_id, rows, promoted=promoted, projection=in_use, annotations=annotated.count)
    runtime.jobs.enqueue(JobKind.REFRESH, project_id, {"republish": True})
    return {
        "versions": list(rows),
        "promoted": promoted,
        "projection": in_use,
        "notes": [row["note"] for row in rows.values()],
        "message": "; ".join(str(row["note"]) for row in rows.values()),
    }


def _train_all(
    data: list[TrainingData], recipes: Sequence[Recipe], wanted: Wanted, number: int, progress: Progress
) -> list[Trained]:
    """Every recipe on every control, each recipe as a version of its own."""
    share = 1.0 / (len(recipes) * len(data))
    trained: list[Trained] = []
    for place, recipe in enumerate(recipes):
        started = time.monotonic()
        learned = []
        for control, part in enumerate(data):
            report = _part(progress, (place * len(data) + control) * share, share, recipe.name)
            start = wanted.warm_start[control] if wanted.warm_start else None
            learned.append(recipe.learn(part, wanted, start, None, report))
        trained.append(Trained(f"{recipe.kind}-{number + place}", recipe, learned, time.monotonic() - started))
    return trained


def _decide(
    runtime: Runtime, project: Project, serving: str, contest: Contest, versions: Mapping[str, str]
) -> Decision:
    """Which version serves from now on.

    Propagation, which learns on with every annotation, may win its place back. Where it lives in a learnt projection that
    has seen all annotations, cross-validation would flatter it: it then stands for the recipe that learns projections.
    """
    propagated = project.projection or PROPAGATION
    recipe = {WORDNET: PRIOR, propagated: PROPAGATED}.get(serving) or recipe_of(runtime, project.id, serving)
    if project.projection and recipe == PROPAGATED and ADAPTED in versions:
        recipe = ADAPTED
    if recipe not in (PRIOR, *versions):
        recipe = PROPAGATED
    challengers = dict(versions)
    # What propagation says through a fine-tuned backbone is no merit of the version of that name, which sees without it.
    if serving != propagated and not project.backbone and not (project.projection and contest.crossed):
        challengers[PROPAGATED] = propagated
    return contest.decide(serving, recipe, challengers, renewed=[versions[recipe]] if recipe in versions else [])


def graph_of_choice(project: Project, contest: Contest, versions: Mapping[str, str]) -> str:
    """The version whose projection the project's graph lives in from now on; empty: none."""
    if ADAPTED not in versions:
        return project.projection
    if project.projection and contest.crossed:
        return versions[ADAPTED]  # the same recipe, with more annotations; what it replaces has seen the photos
    return contest.compare(project.projection, PROPAGATED, versions[ADAPTED], ADAPTED).serves


def _write(runtime: Runtime, project: Project, item: Trained) -> dict[str, Any]:
    """Write the files of a version; what its row says of them. A row is stored only when they are whole."""
    folder = head_folder(runtime, project.id, item.version)
    shutil.rmtree(folder, ignore_errors=True)  # left by a training that was cut off: no row names it
    heads = [learned.head for learned in item.learned if learned.head is not None]
    projections = [learned.projection for learned in item.learned]
    return {
        "kind": item.recipe.kind,
        "status": "candidate",
        "backbone": project.backbone or runtime.backbone.id,
        "recipe": item.recipe.name,
        "weights_digest": save_heads(folder, heads) if heads else save_projections(folder, projections),
        "artifact": str(folder.relative_to(runtime.settings.state_dir)),
        "seconds": item.seconds,
    }


def next_number(runtime: Runtime, project_id: int) -> int:
    """Number of the next trained version; they count on across kinds."""
    numbers = [NUMBERED.fullmatch(item.version) for item in list_versions(runtime, project_id)]
    return 1 + max((int(found.group(1)) for found in numbers if found), default=0)


def _part(progress: Progress, start: float, share: float, name: str = "") -> Progress:
    """Progress of a part of the job, as progress of the whole."""
    return lambda fraction, message: progress(start + share * fraction, f"{name}: {message}" if name else message)
