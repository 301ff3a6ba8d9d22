"""The queue window: the few tasks that carry the current model version, published so that no reader sees half of it."""

from __future__ import annotations

import itertools
import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import LabelStudioError
from backend.sync.client import LabelStudioClient

logger = logging.getLogger(__name__)

SCORE_TOLERANCE = 1e-9
MAX_ROUNDS = 3


@dataclass(frozen=True)
class WindowItem:
    """One place of the queue: a task with its pre-annotation.

    `score` is what Label Studio sorts by, in [0, 1], lowest = served first. `result` may be empty (no pre-annotation).
    """

    task_id: int
    result: list[dict[str, Any]]
    score: float


@dataclass(frozen=True)
class PublishReport:
    """What a publication did.

    Attributes:
        version: the version that the project carries now.
        published: tasks of the window, first served first.
        dropped: tasks that could not be published, with the reason.
        deleted: number of predictions removed, by superseded version.
        moved: whether `project.model_version` was changed by this call.
    """

    version: str
    published: tuple[int, ...]
    dropped: Mapping[int, str] = field(default_factory=dict)
    deleted: Mapping[str, int] = field(default_factory=dict)
    moved: bool = False


def publish_window(
    client: LabelStudioClient,
    project_id: int,
    version: str,
    items: Sequence[WindowItem],
    superseded: Sequence[str] = (),
) -> PublishReport:
    """Publish `items` as predictions of `version`, then move the project to it, then delete what it replaces.

    The project goes on serving the old window until the new one is complete. Whatever step an earlier call died at,
    calling again with the same arguments ends in the same state: what is already stored is kept, what is missing is
    added, duplicates and strangers are removed. Items that Label Studio refuses (a task deleted meanwhile, a result
    that does not fit the label config) are reported in `dropped`; the others are published.

    Args:
        items: scores strictly increasing, each task once. Empty: only superseded versions are deleted.
        superseded: versions whose predictions are deleted; the version that the project carries is never one of them.

    Raises:
        ValueError: scores are not strictly increasing in [0, 1], a task occurs twice, or `version` is empty or superseded.
        LabelStudioError: a call failed, or Label Studio kept none of the items (reason window_refused).
    """
    _check(version, items, superseded)
    if not items:
        return PublishReport("", (), deleted=_delete(client, project_id, superseded))
    dropped = _store(client, project_id, version, items)
    published = tuple(item.task_id for item in items if item.task_id not in dropped)
    for task_id, why in dropped.items():
        logger.warning("project %s: task %s is not in window %s: %s", project_id, task_id, version, why)
    if not published:
        raise LabelStudioError(
            f"Project {project_id}: Label Studio kept none of the {len(items)} predictions of {version}; "
            f"first reason: {next(iter(dropped.values()))}",
            reason="window_refused",
        )
    moved = client.project(project_id)["model_version"] != version
    if moved:
        client.update_project(project_id, model_version=version)
    deleted = _delete(client, project_id, superseded)
    return PublishReport(version, published, dropped, deleted, moved)


def scores_for(count: int) -> list[float]:
    """Scores of `count` queue places: strictly increasing in (0, 1), evenly spread, first place first."""
    return [(position + 1) / (count + 1) for position in range(count)]


def _check(version: str, items: Sequence[WindowItem], superseded: Sequence[str]) -> None:
    if not version:
        raise ValueError("the version of a window must not be empty")
    if version in superseded:
        raise ValueError(f"version {version} cannot supersede itself")
    if len({item.task_id for item in items}) != len(items):
        raise ValueError(f"window {version} holds a task twice")
    scores = [item.score for item in items]
    if any(not math.isfinite(score) or not 0.0 <= score <= 1.0 for score in scores):
        raise ValueError(f"window {version} has a score outside [0, 1]")
    if any(later <= earlier for earlier, later in itertools.pairwise(scores)):
        raise ValueError(f"the scores of window {version} are not strictly increasing")


def _store(client: LabelStudioClient, project_id: int, version: str, items: Sequence[WindowItem]) -> dict[int, str]:
    """Make Label Studio hold exactly `items` under `version`; returns the tasks it refuses, with reasons."""
    dropped: dict[int, str] = {}
    for attempt in range(MAX_ROUNDS):
        dropped.update(_deleted_tasks(client, project_id, items))
        wanted = [item for item in items if item.task_id not in dropped]
        fresh = client.model_versions(project_id).get(version, 0) == 0
        missing = wanted if fresh else _remove_strays(client, project_id, version, wanted)
        if attempt == 0:
            _import(client, project_id, version, missing)
        else:
            # What is still missing was refused without a word: only one by one shows which items those are.
            for item in missing:
                if not _import(client, project_id, version, [item]):
                    dropped[item.task_id] = _why_refused(client, project_id, version, item)
        wanted = [item for item in wanted if item.task_id not in dropped]
        if client.model_versions(project_id).get(version, 0) == len(wanted):
            return dropped
    raise LabelStudioError(
        f"Project {project_id}: the predictions of {version} do not settle at {len(wanted)}; "
        "is another backend writing the same version?",
        reason="window_unsettled",
    )


def _deleted_tasks(client: LabelStudioClient, project_id: int, items: Sequence[WindowItem]) -> dict[int, str]:
    # One unknown task makes Label Studio refuse the whole import.
    existing = {task["id"] for task in client.tasks_by_id(project_id, [item.task_id for item in items], fields="ids")}
    return {item.task_id: "the task no longer exists" for item in items if item.task_id not in existing}


def _remove_strays(
    client: LabelStudioClient, project_id: int, version: str, wanted: Sequence[WindowItem]
) -> list[WindowItem]:
    """Delete stored predictions of `version` that are doubled, foreign or differ in score; returns what is missing."""
    scores = {item.task_id: item.score for item in wanted}
    stored: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for prediction in client.predictions(project_id, version):
        stored[prediction["task"]].append(prediction)
    present: set[int] = set()
    for task_id, predictions in stored.items():
        for prediction in predictions:
            score = prediction["score"]
            fits = task_id in scores and score is not None and abs(score - scores[task_id]) <= SCORE_TOLERANCE
            if fits and task_id not in present:
                present.add(task_id)
            else:
                client.delete_prediction(prediction["id"])
    return [item for item in wanted if item.task_id not in present]


def _import(client: LabelStudioClient, project_id: int, version: str, items: Sequence[WindowItem]) -> int:
    return client.import_predictions(project_id, [_prediction(item, version) for item in items])


def _prediction(item: WindowItem, version: str) -> dict[str, Any]:
    return {"task": item.task_id, "result": item.result, "score": item.score, "model_version": version}


def _why_refused(client: LabelStudioClient, project_id: int, version: str, item: WindowItem) -> str:
    """Label Studio gives no reason; its own validator, run here on the project's label config, does."""
    # Imported here: the SDK is slow to import and this is rare.
    from label_studio_sdk.label_interface.interface import LabelInterface

    interface = LabelInterface(client.project(project_id)["label_config"])
    errors: list[str] = interface.validate_prediction(  # type: ignore[no-untyped-call]
        _prediction(item, version), return_errors=True
    )
    return "; ".join(errors) if errors else "Label Studio dropped the prediction without a reason; see its log"


def _delete(client: LabelStudioClient, project_id: int, superseded: Sequence[str]) -> dict[str, int]:
    stored = client.model_versions(project_id)
    return client.delete_predictions_of(project_id, [version for version in superseded if version in stored])
