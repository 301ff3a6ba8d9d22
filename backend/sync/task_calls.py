"""The calls about tasks and their annotations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from backend.errors import LabelStudioError
from backend.sync.calls import SLOW_CALL_SECONDS, Calls, JsonDict, as_object

TaskFields = Literal["ids", "counts", "plain", "predictions", "all"]

FIELD_PARAMS: dict[TaskFields, JsonDict] = {
    "ids": {"include": "id"},
    "counts": {"include": "id,total_annotations,cancelled_annotations"},
    "plain": {},
    "predictions": {"include": "id,predictions,total_annotations", "fields": "all"},
    "all": {"fields": "all"},
}
ID_CHUNK = 200  # ids in one query string
UPLOAD_CHUNK = 50  # Label Studio refuses more than 100 files in one request


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


class TaskCalls(Calls):
    """Tasks: found, made, changed, annotated."""

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
        `data` holds the values as imported (cloud URIs are not rewritten). `fields`: "ids" gives only `id`, "counts" also
        the numbers of annotations and skips, "predictions" these and the number of annotations, "plain" data and counts,
        "all" annotations and predictions too.
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
        return as_object(self.transport.call("GET", "/api/tasks", params=params))

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
        return as_object(self.transport.call("PATCH", f"/api/tasks/{task_id}/", json=fields))

    def annotate(self, task_id: int, result: list[JsonDict], *, was_cancelled: bool = False) -> JsonDict:
        """Create an annotation (or a skip) as this user."""
        body = {"result": result, "was_cancelled": was_cancelled}
        return as_object(self.transport.call("POST", f"/api/tasks/{task_id}/annotations/", json=body))

    def delete_annotation(self, annotation_id: int) -> None:
        """Remove one annotation; one that is gone already counts as removed."""
        try:
            self.transport.call("DELETE", f"/api/annotations/{annotation_id}/")
        except LabelStudioError as error:
            if error.reason != "label_studio_not_found":
                raise
