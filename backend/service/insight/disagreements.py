"""Two versions of a model side by side: their figures, and the photos that they name differently.

Asking a version costs seconds, and where it saw photos through another backbone that one has to be opened: so a job
compares, and what it found is kept for the pages.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.files import write_atomically
from backend.jobs.kinds import JobKind
from backend.learning.evaluation import decide_labels
from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.insight.coverage import answered_tasks
from backend.service.pool.current import current_snapshot
from backend.service.pool.snapshot import Snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.projects.tasks import CHUNK, tasks_by_id
from backend.service.versions.artifacts import fitting_heads, load_heads, project_folder
from backend.service.versions.registry import compare, find_version
from backend.storage.schema import ModelVersion, Project
from backend.sync.version_names import model_of
from backend.zero_shot import zero_shot

SAMPLED = 5000
"""Most photos that two versions are asked about: drawn at random, the share that differs is known to a point or so."""

KEPT = 1000
"""Most photos that are kept of a comparison."""

KEPT_PAIRS = 200
"""Comparisons that are kept for a project; the oldest make room."""

FRESH_MINUTES = 10.0

Floats = NDArray[np.float32]


def kept_comparison(runtime: Runtime, project: Project, version: str, other: str, limit: int) -> dict[str, Any] | None:
    """What the last comparison of two versions found, without photos that were answered since; None: compare them anew.

    What is kept holds until the next order, and for `FRESH_MINUTES` at least: while people label, orders follow each
    other.

    Raises:
        NotFoundError: the project has no such version.
    """
    first, second = find_version(runtime, project.id, version), find_version(runtime, project.id, other)
    path = _place(runtime, project.id, version, other)
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        age = time.time() - path.stat().st_mtime
    except (OSError, ValueError):  # nothing, or damaged: the next comparison replaces it
        return None
    if kept["snapshot"] != project.snapshot and age > 60 * FRESH_MINUTES:
        return None
    answered = set(answered_tasks(runtime, project.id).tolist())
    photos = [photo for photo in kept["photos"] if photo["task"] not in answered]
    return {**kept, "figures": compare(second, first), "photos": photos[:limit]}


def ask_for_comparison(runtime: Runtime, project_id: int, version: str, other: str) -> str:
    """Have two versions compared; the id of the job. Several pairs may wait in one job."""
    return runtime.jobs.enqueue(JobKind.COMPARE, project_id, {f"{version} {other}": True})


def compare_versions(runtime: Runtime, project_id: int, pairs: Iterable[str], progress: Progress) -> dict[str, Any]:
    """The job: compares pairs of versions, each written as two names with a blank between them. Returns a `message`.

    Raises:
        NotFoundError: the project has no such version.
        BackendError: nothing is predicted yet.
    """
    wanted = [tuple(pair.split(" ", 1)) for pair in sorted(pairs)]
    said = []
    for place, (version, other) in enumerate(wanted):
        progress(place / len(wanted), f"{version} beside {other}")
        project = find_project(runtime, project_id)
        share = partial(_share_of, progress, place, len(wanted))
        found = disagreements_of(runtime, project, version, other, share)
        path = _place(runtime, project_id, version, other)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({**found, "snapshot": project.snapshot}).encode())
        for old in sorted(path.parent.glob("*.json"), key=lambda item: item.stat().st_mtime)[:-KEPT_PAIRS]:
            old.unlink(missing_ok=True)
        counts = f"{version} and {other} differ on {found['differing']} of {found['compared']} photos"
        said.append(found["why"] or counts)
    return {"message": "; ".join(said)}


def _share_of(progress: Progress, place: int, parts: int, share: float) -> None:
    progress((place + share) / parts, "asked about the same photos")


def _silent(share: float) -> None:
    """Nobody listens."""


def disagreements_of(
    runtime: Runtime, project: Project, version: str, other: str, progress: Callable[[float], None] = _silent
) -> dict[str, Any]:
    """What two versions say of photos that nobody answered, those first on which both are surest.

    Raises:
        NotFoundError: the project has no such version.
        BackendError: nothing is predicted yet.
    """
    first, second = find_version(runtime, project.id, version), find_version(runtime, project.id, other)
    found: dict[str, Any] = {
        "version": version,
        "other": other,
        "compared": 0,
        "differing": 0,
        "photos": [],
        "why": "",
    }
    snapshot = current_snapshot(runtime, project)
    rows = np.flatnonzero(~np.isin(snapshot.task_ids, answered_tasks(runtime, project.id)))
    if rows.size > SAMPLED:
        rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLED, replace=False))
    try:
        known, one = _said(runtime, project, snapshot, first, rows, lambda share: progress(share / 2))
        also_known, two = _said(runtime, project, snapshot, second, rows, lambda share: progress((1 + share) / 2))
    except BackendError as error:
        return {**found, "why": str(error)}
    both = known & also_known
    rows, one, two = rows[both], one[both], two[both]
    control = labels_of(runtime, project).spaces[0].control
    chosen, others = (decide_labels(said, control.multiple) for said in (one, two))
    differing = np.flatnonzero((chosen != others).any(axis=1))
    sure = np.minimum(one.max(axis=1), two.max(axis=1))[differing]

    def said(labels: NDArray[np.bool_]) -> str:
        return ", ".join(control.labels[int(index)].title for index in np.flatnonzero(labels)) or "nothing"

    return {
        **found,
        "compared": int(rows.size),
        "differing": int(differing.size),
        "photos": [
            {
                "task": int(snapshot.task_ids[rows[at]]),
                "label": said(chosen[at]),
                "probability": round(float(one[at].max()), 4),
                "other_label": said(others[at]),
                "other_probability": round(float(two[at].max()), 4),
            }
            for at in differing[np.argsort(-sure, kind="stable")[:KEPT]]
        ],
    }


def _said(
    runtime: Runtime,
    project: Project,
    snapshot: Snapshot,
    version: ModelVersion,
    rows: NDArray[np.intp],
    progress: Callable[[float], None],
) -> tuple[NDArray[np.bool_], Floats]:
    """Which of these rows a version can be asked about, bool [n], and its probabilities float32 [n, L]."""
    if version.version == model_of(snapshot.version):
        return np.ones(rows.size, dtype=bool), np.asarray(snapshot.controls[0].probabilities[rows], dtype=np.float32)
    spaces = labels_of(runtime, project).spaces
    heads, space = fitting_heads(load_heads(runtime, project.id, version.version), spaces), spaces[0]
    if heads is None:
        raise BackendError(
            f"What {version.version} says of each photo is not kept: it depends on all answers, or has other labels.",
            reason="no_head",
        )
    backbone = runtime.backbone_of("" if version.backbone == runtime.backbone.id else version.backbone)
    found = np.zeros(rows.size, dtype=bool)
    said = np.zeros((rows.size, space.n_labels), dtype=np.float32)
    for start in range(0, rows.size, CHUNK):
        progress(start / rows.size)
        part = slice(start, start + CHUNK)
        tasks = snapshot.task_ids[rows[part]].tolist()
        with runtime.database.session() as session:
            known = {task.task_id: task.digest or "" for task in tasks_by_id(session, project.id, tasks)}
        stored, found[part] = runtime.features.matrix(
            [known.get(task, "") for task in tasks], backbone.id, backbone.spec.embedding_dim
        )
        priors = zero_shot(backbone, [space], stored).priors
        said[part] = heads[0].predict(backbone.features(stored), priors[0])
    return found, said


def _place(runtime: Runtime, project_id: int, version: str, other: str) -> Path:
    name = hashlib.blake2b(f"{version} {other}".encode(), digest_size=16).hexdigest()
    return project_folder(runtime, project_id) / "comparisons" / f"{name}.json"
