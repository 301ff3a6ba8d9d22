"""Storing predictions by the cheaper of Label Studio's two ways.

An import counts the annotations and predictions of *every* task of the project anew, whatever it brings (`_create_legacy`
of its `data_import/api.py`): it takes seconds in a project of tens of thousands. A prediction stored by a call of its own
counts those of its task only. So few go one by one, many together, and what few are grows with the project.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from backend.errors import LabelStudioError
from backend.sync.calls import JsonDict
from backend.sync.client import LabelStudioClient

logger = logging.getLogger(__name__)

# Tasks of a project for which an import costs Label Studio's processor as much as one call. With Label Studio 1.23.2 on
# PostgreSQL a call takes it 0.03 s, an import 0.03 s and 0.07 s for each thousand tasks.
TASKS_PER_CALL = 400


def one_by_one(count: int, tasks: int) -> bool:
    """Whether `count` predictions cost Label Studio less in a call each, in a project of so many tasks."""
    return count * TASKS_PER_CALL < tasks


def store_predictions(
    client: LabelStudioClient, project_id: int, items: Sequence[JsonDict], *, tasks: int
) -> dict[int, str] | None:
    """Store predictions (`task`, `result`, `score`, `model_version`), in this order.

    Args:
        tasks: how many the project has, roughly.

    Returns: the tasks whose prediction was refused, with Label Studio's reason; None where it dropped some of an import
    without a word.

    Raises:
        LabelStudioError: a call failed.
    """
    if not one_by_one(len(items), tasks):
        return _import(client, project_id, items)
    return _store_each(client, items)


def _store_each(client: LabelStudioClient, items: Sequence[JsonDict]) -> dict[int, str]:
    """A call for each; the tasks whose prediction was refused, with the reason."""
    refused: dict[int, str] = {}
    for item in items:
        try:
            client.store_prediction(item)
        except LabelStudioError as error:
            if error.reason != "label_studio_refused":
                raise
            refused[item["task"]] = str(error)
    return refused


def _import(client: LabelStudioClient, project_id: int, items: Sequence[JsonDict]) -> dict[int, str] | None:
    """As `store_predictions`, in one call. Label Studio keeps none if a single task is gone: the others are sent once more.

    Where it looks at suggestions before it keeps any (`fflag_feat_utc_210_prediction_validation_15082025`), one that does
    not fit keeps the others out, too: a call for each tells which.
    """
    try:
        return {} if client.import_predictions(project_id, items) == len(items) else None
    except LabelStudioError as error:
        if error.reason != "label_studio_refused":
            raise
        there = {task["id"] for task in client.tasks_by_id(project_id, (item["task"] for item in items), fields="ids")}
        left = [item for item in items if item["task"] in there]
        if len(left) == len(items):
            return _store_each(client, items)
    refused = _import(client, project_id, left)
    gone = {item["task"]: "the task no longer exists" for item in items if item["task"] not in there}
    return None if refused is None else gone | refused
