"""Deleting predictions that nobody can hold open any more."""

from __future__ import annotations

from collections.abc import Callable, Collection

from backend.sync.client import LabelStudioClient
from backend.sync.version_names import model_of


def delete_version(
    client: LabelStudioClient,
    project_id: int,
    version: str,
    parents_among: Callable[[Collection[int]], Collection[int]],
) -> int:
    """Delete a version's predictions in one call, except those that annotations started from; returns how many.

    Label Studio would empty `parent_prediction` of these annotations: such predictions get the name of their model back.

    Args:
        parents_among: which of some predictions are the parent of an annotation.

    Raises:
        LabelStudioError: a call failed.
    """
    for annotated in client.annotated_tasks_of_version(project_id, version):
        found = [row["id"] for row in annotated["predictions"] if row["model_version"] == version]
        for prediction_id in parents_among(found):
            client.update_prediction(prediction_id, model_version=model_of(version))
    return sum(client.delete_predictions_of(project_id, [version]).values())


def delete_of_unannotated_tasks(
    client: LabelStudioClient, project_id: int, version: str, limit: int
) -> tuple[int, bool]:
    """Delete a version's predictions of tasks without annotation; those of annotated tasks say what was suggested.

    Args:
        limit: most predictions to delete in this call; each costs a call of its own.

    Returns: how many were deleted, and whether none is left.

    Raises:
        LabelStudioError: a call failed.
    """
    found = [
        prediction["id"]
        for task in client.unannotated_tasks_of_version(project_id, version)
        for prediction in task["predictions"]
        if prediction["model_version"] == version
    ]
    for prediction_id in found[:limit]:
        client.delete_prediction(prediction_id)
    return min(len(found), limit), len(found) <= limit
