"""The calls about predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from backend.sync.calls import SLOW_CALL_SECONDS, JsonDict, as_object
from backend.sync.task_calls import ID_CHUNK, TaskCalls, TaskFilter


class PredictionCalls(TaskCalls):
    """Predictions: stored, found, changed in place, removed; also by the tasks that have them."""

    def import_predictions(self, project_id: int, items: Sequence[JsonDict]) -> int:
        """Store predictions (`task`, `result`, `score` in [0, 1], `model_version`); returns how many were kept.

        Label Studio drops items with a wrong result or score without a word: compare the count.
        """
        if not items:
            return 0
        path = f"/api/projects/{project_id}/import/predictions"
        return int(self.transport.call("POST", path, json=list(items), timeout=SLOW_CALL_SECONDS)["created"])

    def store_prediction(self, item: JsonDict) -> JsonDict:
        """Store one prediction, as `import_predictions` does, and give it back as it was kept.

        Raises:
            LabelStudioError: the task does not exist, or a field is wrong (reason label_studio_refused); the call failed.
        """
        return as_object(self.transport.call("POST", "/api/predictions/", json=item))

    def model_versions(self, project_id: int) -> dict[str, int]:
        """Number of stored predictions by model version."""
        answer = self.transport.call("GET", f"/api/projects/{project_id}/model-versions/", params={"extended": "true"})
        return {entry["model_version"]: int(entry["count"]) for entry in answer["static"]}

    def predictions(self, project_id: int, version: str) -> list[JsonDict]:
        """The stored predictions of one model version."""
        answer = self.transport.call(
            "GET", "/api/predictions/", params={"project": project_id, "model_version": version}
        )
        return [prediction for prediction in answer if prediction["model_version"] == version]

    def prediction(self, prediction_id: int) -> JsonDict:
        """One prediction, whatever its model version."""
        return as_object(self.transport.call("GET", f"/api/predictions/{prediction_id}/"))

    def unannotated_tasks_of_version(self, project_id: int, version: str) -> Iterator[JsonDict]:
        """Tasks without annotation that have a prediction of one model version, with all their predictions."""
        yield from self._tasks_of_version(project_id, version, TaskFilter("total_annotations", "equal", "Number", 0))

    def annotated_tasks_of_version(self, project_id: int, version: str) -> Iterator[JsonDict]:
        """Annotated tasks that have a prediction of one model version, with all their predictions."""
        yield from self._tasks_of_version(project_id, version, TaskFilter("total_annotations", "greater", "Number", 0))

    def _tasks_of_version(self, project_id: int, version: str, condition: TaskFilter) -> Iterator[JsonDict]:
        filters = (TaskFilter("predictions_model_versions", "contains", "List", [version]), condition)
        for task in self.iter_tasks(project_id, page_size=ID_CHUNK, filters=filters, fields="predictions"):
            # Label Studio finds names that contain this one, too.
            if any(prediction["model_version"] == version for prediction in task["predictions"]):
                yield task

    def update_prediction(self, prediction_id: int, **fields: Any) -> JsonDict:
        """Change a prediction in place: annotations that refer to it stay valid."""
        return as_object(self.transport.call("PATCH", f"/api/predictions/{prediction_id}/", json=fields))

    def delete_prediction(self, prediction_id: int) -> None:
        """Remove one prediction."""
        self.transport.call("DELETE", f"/api/predictions/{prediction_id}/")

    def delete_predictions_of(self, project_id: int, versions: Iterable[str]) -> dict[str, int]:
        """Remove all predictions of some model versions; returns how many of each.

        The version that the project carries now is left alone: Label Studio would empty `project.model_version`.
        """
        current = self.project(project_id)["model_version"]
        deleted: dict[str, int] = {}
        for version in dict.fromkeys(versions):
            if version and version != current:
                answer = self.transport.call(
                    "DELETE",
                    f"/api/projects/{project_id}/model-versions/",
                    json={"model_version": version},
                    timeout=SLOW_CALL_SECONDS,
                )
                deleted[version] = int(answer["deleted_predictions"])
        return deleted
