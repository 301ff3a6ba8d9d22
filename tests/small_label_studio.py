"""The part of Label Studio's API that a sync and a publication use, over HTTP, for tests that call it thousands of times.

The real one stands in `tests/e2e`; this one answers in a millisecond.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.local_server import Answer, Handler, LocalServer

TOKEN = "0" * 40
_START = datetime(2026, 1, 1, tzinfo=UTC)


class SmallLabelStudio(LocalServer):
    """One project in memory.

    Attributes:
        project: as GET gives it.
        tasks: by id, each with its annotations and predictions.
        users: when each user last did something, as an ISO stamp.
        held: the task that each person holds: nobody else gets it.
        calls: how many were answered.
    """

    def __init__(self, project_id: int, label_config: str, data: Mapping[int, Mapping[str, Any]]) -> None:
        self._lock = threading.RLock()
        self._clock = 0
        self._serial = 0
        self.project: dict[str, Any] = {
            "id": project_id,
            "title": "Small",
            "label_config": label_config,
            "model_version": "",
            "created_at": self._now(),
        }
        self.tasks: dict[int, dict[str, Any]] = {
            number: {
                "id": number,
                "data": dict(values),
                "annotations": [],
                "predictions": [],
                "updated_at": self._now(),
            }
            for number, values in data.items()
        }
        self.users: list[str] = []
        self.held: dict[int, int] = {}
        self.calls = 0
        super().__init__(self._handler())

    def hand_out(self, person: int) -> int | None:
        """The next task of a person, who holds it until it is answered; None: "There are no tasks"."""
        with self._lock:
            queue = self.queue()
            if self.held.get(person) not in queue:
                self.held.pop(person, None)
                free = [task for task in queue if task not in self.held.values()]
                if free:
                    self.held[person] = free[0]
            return self.held.get(person)

    def annotate(self, task: int, result: list[dict[str, Any]]) -> dict[str, Any]:
        """A person answers a task, or changes the answer; the annotation as the webhook brings it."""
        with self._lock:
            found = self.tasks[task]["annotations"]
            stamp = self._now()
            if found:
                found[0] |= {"result": result, "updated_at": stamp}
            else:
                self._serial += 1
                found.append(
                    {"id": self._serial, "task": task, "result": result, "updated_at": stamp, "completed_by": 1}
                )
            self.tasks[task]["updated_at"] = stamp
            return dict(found[0])

    def delete_annotation(self, task: int) -> list[int]:
        """Somebody deletes the answers of a task; their ids, as the webhook brings them."""
        with self._lock:
            gone = [row["id"] for row in self.tasks[task]["annotations"]]
            self.tasks[task] |= {"annotations": [], "updated_at": self._now()}
            return gone

    def queue(self) -> list[int]:
        """The tasks in the order in which annotators get them: those with a prediction of the project's version."""
        version = self.project["model_version"]
        places = [
            (prediction["score"], number)
            for number, task in self.tasks.items()
            for prediction in task["predictions"]
            if prediction["model_version"] == version and not task["annotations"]
        ]
        return [number for _, number in sorted(places)]

    def _now(self) -> str:
        self._clock += 1
        return (_START + timedelta(minutes=self._clock)).isoformat().replace("+00:00", "Z")

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """What one call gets."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        number = self.project["id"]
        with self._lock:
            self.calls += 1
            if path == f"/api/projects/{number}/":
                if method == "PATCH":
                    self.project |= body
                answers = sum(len(task["annotations"]) for task in self.tasks.values())
                counts = {"total_annotations_number": answers, "skipped_annotations_number": 0}
                return 200, {**self.project, **counts, "task_number": len(self.tasks)}
            if path == "/api/users/":
                return 200, [{"id": place, "last_activity": stamp} for place, stamp in enumerate(self.users)]
            if path == "/api/tasks":
                return 200, self._listed(json.loads(query["query"][0]), int(query["page_size"][0]), query)
            if path == f"/api/projects/{number}/import/predictions":
                if strangers := [item for item in body if item["task"] not in self.tasks]:  # then none of them is kept
                    return 400, {"detail": f'{strangers[0]} contains invalid "task" field'}
                return 201, {"created": sum(self._predicted(item) for item in body)}
            if path == "/api/predictions/" and method == "POST":
                return (201, body) if self._predicted(body) else (400, {"detail": "Invalid pk: object does not exist."})
            if path == f"/api/projects/{number}/model-versions/":
                versions = [row["model_version"] for task in self.tasks.values() for row in task["predictions"]]
                return 200, {"static": [{"model_version": v, "count": versions.count(v)} for v in sorted({*versions})]}
            if (
                (found := re.fullmatch(r"/api/tasks/(\d+)/", path))
                and method == "PATCH"
                and int(found[1]) in self.tasks
            ):
                self.tasks[int(found[1])] |= body  # `data` as a whole, as Label Studio does
                return 200, self.tasks[int(found[1])]
            if (found := re.fullmatch(r"/api/predictions/(\d+)/", path)) and method == "PATCH":
                rows = (row for task in self.tasks.values() for row in task["predictions"])
                row = next((row for row in rows if row["id"] == int(found[1])), None)
                if row is not None:
                    row |= body
                    return 200, row
        return 404, {"detail": "Not found."}

    def _predicted(self, item: dict[str, Any]) -> int:
        if item["task"] not in self.tasks:
            return 0
        self._serial += 1
        self.tasks[item["task"]]["predictions"].append({**item, "id": self._serial})
        return 1

    def _listed(self, asked: dict[str, Any], size: int, query: Mapping[str, list[str]]) -> dict[str, Any]:
        conditions = asked["filters"]["items"]
        found = [
            self._shown(task, query)
            for _, task in sorted(self.tasks.items())
            if all(_meets(task, condition) for condition in conditions)
        ]
        return {"tasks": found[:size], "total": len(found)}

    @staticmethod
    def _shown(task: dict[str, Any], query: Mapping[str, list[str]]) -> dict[str, Any]:
        counts = {"total_annotations": len(task["annotations"]), "cancelled_annotations": 0}
        if query.get("fields") == ["all"]:
            return {**task, **counts}
        return {"id": task["id"], "data": task["data"], "updated_at": task["updated_at"], **counts}

    def _handler(self) -> type[Handler]:
        small = self

        class SmallHandler(Handler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self, body: bytes) -> Answer:
                status, answer = small.answer(self.command, self.path, json.loads(body) if body else None)
                return Answer(status, answer, (("Content-Type", "application/json"),))

        return SmallHandler


def _meets(task: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    """Whether a task meets one condition of the Data Manager."""
    column, value = condition["filter"].removeprefix("filter:tasks:"), condition["value"]
    if column == "predictions_model_versions":
        return any(part in row["model_version"] for row in task["predictions"] for part in value)
    known = {
        "id": task["id"],
        "updated_at": task["updated_at"],
        "total_annotations": len(task["annotations"]),
        "cancelled_annotations": 0,
    }[column]
    if column == "updated_at":
        known, value = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (known, value))
    tests = {
        "greater": lambda: known > value,
        "less_or_equal": lambda: known <= value,
        "equal": lambda: known == value,
        "in_list": lambda: known in value,
    }
    return bool(tests[condition["operator"]]())
