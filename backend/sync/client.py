"""The calls to Label Studio's API that the product makes, as methods that return plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from backend.errors import LabelStudioError
from backend.sync.transport import Transport

JsonDict = dict[str, Any]
TaskFields = Literal["ids", "plain", "predictions", "all"]

FIELD_PARAMS: dict[TaskFields, JsonDict] = {
    "ids": {"include": "id"},
    "plain": {},
    "predictions": {"include": "id,predictions,total_annotations", "fields": "all"},
    "all": {"fields": "all"},
}
ID_CHUNK = 200  # ids in one query string
UPLOAD_CHUNK = 50  # Label Studio refuses more than 100 files in one request
SLOW_CALL_SECONDS = 300.0  # imports and bulk deletions


@dataclass(frozen=True)
class TaskFilter:
    """One condition of the Data Manager, e.g. TaskFilter("id", "greater", "Number", 7)."""

    column: str
    operator: str
    type: str
    value: Any

    def as_item(self) -> JsonDict:
        """The form that the API reads."""
        return {
            "filter": f"filter:tasks:{self.column}",
            "operator": self.operator,
            "type": self.type,
            "value": self.value,
        }


def _object(answer: Any) -> JsonDict:
    """An answer that should be an object, with its own words for keys that it lacks."""
    if not isinstance(answer, dict):
        raise LabelStudioError(
            f"Label Studio answered {type(answer).__name__} where an object should be: is LABEL_STUDIO_URL its origin?",
            reason="label_studio_answer",
        )
    return answer


class LabelStudioClient:
    """One Label Studio, seen by one user.

    Args:
        url: its origin.
        api_key: legacy token or personal access token.
        timeout: seconds that one call may take (imports and bulk deletions may take longer).

    Every method raises LabelStudioError naming the call, the URL and the fix.
    """

    def __init__(self, url: str, api_key: str, timeout: float = 30.0) -> None:
        self.transport = Transport(url, api_key, timeout)
        self.url = self.transport.url

    def authorization(self) -> str:
        """The Authorization header for this Label Studio's origin; never send it elsewhere."""
        return self.transport.authorization()

    # The server
    def version(self) -> str:
        """Label Studio's release, e.g. "1.23.2"."""
        return str(self.transport.anonymous("/api/version").get("release", ""))

    def whoami(self) -> JsonDict:
        """The user whose token this is."""
        return _object(self.transport.call("GET", "/api/current-user/whoami"))

    def create_personal_access_token(self) -> str:
        """A new personal access token of this user; Label Studio allows one at a time."""
        return str(self.transport.call("POST", "/api/token/")["token"])

    # Projects
    def projects(self) -> Iterator[JsonDict]:
        """All projects that the user sees."""
        page = 1
        while True:
            answer = self.transport.call("GET", "/api/projects/", params={"page": page, "page_size": 100})
            yield from answer["results"]
            if not answer.get("next"):
                return
            page += 1

    def project(self, project_id: int) -> JsonDict:
        """One project with its settings and counts."""
        return _object(self.transport.call("GET", f"/api/projects/{project_id}/"))

    def create_project(self, **fields: Any) -> JsonDict:
        """A new project."""
        return _object(self.transport.call("POST", "/api/projects/", json=fields))

    def update_project(self, project_id: int, **fields: Any) -> JsonDict:
        """Change settings of a project and return it."""
        return _object(self.transport.call("PATCH", f"/api/projects/{project_id}/", json=fields))

    def next_task(self, project_id: int) -> JsonDict:
        """The task that Label Studio would hand to this user now (and locks for them)."""
        return _object(self.transport.call("GET", f"/api/projects/{project_id}/next/"))

    # Tasks and annotations
    def iter_tasks(
        self, project_id: int, *, page_size: int = 500, filters: Sequence[TaskFilter] = (), fields: TaskFields = "plain"
    ) -> Iterator[JsonDict]:
        """All tasks of a project that meet every filter, by rising id; see iter_task_pages."""
        for page in self.iter_task_pages(project_id, page_size=page_size, filters=filters, fields=fields):
            yield from page

    def iter_task_pages(
        self, project_id: int, *, page_size: int = 500, filters: Sequence[TaskFilter] = (), fields: TaskFields = "plain"
    ) -> Iterator[list[JsonDict]]:
        """All tasks of a project that meet every filter, by rising id, in lists of at most `page_size`.

        Pages by "id greater than the last one seen", so tasks created or deleted meanwhile shift nothing.
        `data` holds the values as imported (cloud URIs are not rewritten). `fields`: "ids" gives only `id`,
        "predictions" these and the number of annotations, "plain" data and counts, "all" annotations and predictions too.
        """
        last_id = 0
        while True:
            after = TaskFilter("id", "greater", "Number", last_id)
            answer = self._tasks(project_id, (after, *filters), page_size, fields)
            page: list[JsonDict] = answer["tasks"]
            if page:
                yield page
                last_id = page[-1]["id"]
            # The server may cap the page size, so a short page is not yet the last one.
            if not page or int(answer["total"]) <= len(page):
                return

    def count_tasks(self, project_id: int, filters: Sequence[TaskFilter] = ()) -> int:
        """How many tasks meet every filter."""
        return int(self._tasks(project_id, filters, 1, "ids")["total"])

    def tasks_by_id(
        self, project_id: int, task_ids: Iterable[int], *, fields: TaskFields = "plain"
    ) -> Iterator[JsonDict]:
        """Those of the tasks that exist in the project."""
        ids = sorted(set(task_ids))
        for start in range(0, len(ids), ID_CHUNK):
            chosen = TaskFilter("id", "in_list", "Number", ids[start : start + ID_CHUNK])
            yield from self.iter_tasks(project_id, page_size=ID_CHUNK, filters=(chosen,), fields=fields)

    def _tasks(self, project_id: int, filters: Sequence[TaskFilter], page_size: int, fields: TaskFields) -> JsonDict:
        query = {
            "filters": {"conjunction": "and", "items": [condition.as_item() for condition in filters]},
            "ordering": ["tasks:id"],
        }
        params: JsonDict = {
            "project": project_id,
            "page": 1,
            "page_size": page_size,
            "resolve_uri": "false",
            "query": json.dumps(query),
        }
        params.update(FIELD_PARAMS[fields])
        return _object(self.transport.call("GET", "/api/tasks", params=params))

    def iter_annotations(self, project_id: int, *, page_size: int = 200) -> Iterator[JsonDict]:
        """Every annotation of a project, skips (`was_cancelled`) included; `task` holds the task's id."""
        annotated = (TaskFilter("total_annotations", "greater", "Number", 0),)
        only_skipped = (
            TaskFilter("cancelled_annotations", "greater", "Number", 0),
            TaskFilter("total_annotations", "equal", "Number", 0),
        )
        for filters in (annotated, only_skipped):
            for task in self.iter_tasks(project_id, page_size=page_size, filters=filters, fields="all"):
                yield from task["annotations"]

    def import_tasks(self, project_id: int, tasks: Sequence[JsonDict]) -> int:
        """Create tasks from dicts with a `data` key; returns how many."""
        answer = self.transport.call(
            "POST", f"/api/projects/{project_id}/import", json=list(tasks), timeout=SLOW_CALL_SECONDS
        )
        return int(answer["task_count"])

    def upload_images(self, project_id: int, paths: Sequence[Path]) -> int:
        """Upload image files, one task each; returns how many tasks were made."""
        made = 0
        for start in range(0, len(paths), UPLOAD_CHUNK):
            chunk = paths[start : start + UPLOAD_CHUNK]
            files = [(f"file{number}", (path.name, path.read_bytes())) for number, path in enumerate(chunk)]
            answer = self.transport.call(
                "POST", f"/api/projects/{project_id}/import", files=files, timeout=SLOW_CALL_SECONDS
            )
            made += int(answer["task_count"])
        return made

    def update_task(self, task_id: int, **fields: Any) -> JsonDict:
        """Change a task; `data` replaces all of its data."""
        return _object(self.transport.call("PATCH", f"/api/tasks/{task_id}/", json=fields))

    def annotate(self, task_id: int, result: list[JsonDict], *, was_cancelled: bool = False) -> JsonDict:
        """Create an annotation (or a skip) as this user."""
        body = {"result": result, "was_cancelled": was_cancelled}
        return _object(self.transport.call("POST", f"/api/tasks/{task_id}/annotations/", json=body))

    def delete_annotation(self, annotation_id: int) -> None:
        """Remove one annotation; one that is gone already counts as removed."""
        try:
            self.transport.call("DELETE", f"/api/annotations/{annotation_id}/")
        except LabelStudioError as error:
            if error.reason != "not_found":
                raise

    # Predictions
    def import_predictions(self, project_id: int, items: Sequence[JsonDict]) -> int:
        """Store predictions (`task`, `result`, `score` in [0, 1], `model_version`); returns how many were kept.

        Label Studio drops items with a wrong result or score without a word: compare the count.
        """
        if not items:
            return 0
        path = f"/api/projects/{project_id}/import/predictions"
        return int(self.transport.call("POST", path, json=list(items), timeout=SLOW_CALL_SECONDS)["created"])

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
        return _object(self.transport.call("GET", f"/api/predictions/{prediction_id}/"))

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
        return _object(self.transport.call("PATCH", f"/api/predictions/{prediction_id}/", json=fields))

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

    # Connection
    def ml_backends(self, project_id: int) -> list[JsonDict]:
        """The ML backends of a project; Label Studio calls each one to refresh its state."""
        return list(self.transport.call("GET", "/api/ml/", params={"project": project_id}))

    def save_ml_backend(self, fields: JsonDict, backend_id: int | None = None) -> JsonDict:
        """Add an ML backend, or change one; Label Studio calls its /health and /setup first."""
        if backend_id is None:
            return _object(self.transport.call("POST", "/api/ml/", json=fields))
        return _object(self.transport.call("PATCH", f"/api/ml/{backend_id}", json=fields))

    def webhooks(self, project_id: int) -> list[JsonDict]:
        """The webhooks of a project."""
        return list(self.transport.call("GET", "/api/webhooks/", params={"project": project_id}))

    def save_webhook(self, fields: JsonDict, webhook_id: int | None = None) -> JsonDict:
        """Add a webhook, or change one."""
        if webhook_id is None:
            return _object(self.transport.call("POST", "/api/webhooks/", json=fields))
        return _object(self.transport.call("PATCH", f"/api/webhooks/{webhook_id}/", json=fields))

    def delete_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        self.transport.call("DELETE", f"/api/webhooks/{webhook_id}/")

    def views(self, project_id: int) -> list[JsonDict]:
        """The Data Manager tabs of a project."""
        return list(self.transport.call("GET", "/api/dm/views/", params={"project": project_id}))

    def save_view(self, project_id: int, data: JsonDict, view_id: int | None = None) -> JsonDict:
        """Add a Data Manager tab, or change one."""
        body = {"project": project_id, "data": data}
        if view_id is None:
            return _object(self.transport.call("POST", "/api/dm/views/", json=body))
        return _object(self.transport.call("PATCH", f"/api/dm/views/{view_id}/", json=body))

    def add_local_files_storage(self, project_id: int, directory: Path, title: str) -> JsonDict:
        """Let a project's tasks refer to files below `directory` as /data/local-files/?d=<path below the document root>."""
        body = {"project": project_id, "path": str(directory), "title": title, "use_blob_urls": True}
        return _object(self.transport.call("POST", "/api/storages/localfiles/", json=body))
