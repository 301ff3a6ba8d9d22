"""What one annotator does, for locust: `benchmarks.annotators` runs this file and reads what it writes.

Locust replaces the sockets and threads of its process by gevent's; so it has a process of its own, and nothing else of this
repository is imported here. What is to be done comes as JSON (`Plan` of `benchmarks.annotators`), what happened goes out
as one JSON object a line.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import HttpUser, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment


@events.init_command_line_parser.add_listener
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--plan", help="what to do, as JSON")
    parser.add_argument("--visits", help="where to write what happened")


class Annotator(HttpUser):
    """Asks for the next task, looks at it for a drawn time, and submits the true label."""

    wait_time = constant(0)  # the pause stands between a task and its annotation
    started: ClassVar[int] = 0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options: Any = environment.parsed_options
        self._plan: dict[str, Any] = json.loads(Path(options.plan).read_text(encoding="utf-8"))
        self._visits = Path(options.visits)
        number = Annotator.started
        Annotator.started += 1
        self._random = random.Random(f"{self._plan['seed']} {number}")
        self.client.trust_env = False  # no proxy stands between us and loopback
        self.client.headers["Authorization"] = f"Token {self._plan['tokens'][number % len(self._plan['tokens'])]}"

    def on_start(self) -> None:
        self._look()  # so that they do not come all at once

    @task
    def annotate_one(self) -> None:
        begun = time.perf_counter()
        project = self._plan["project"]
        status, following = self._ask("GET", f"/api/projects/{project}/next", "next")
        if status == 200:
            status, _ = self._ask("GET", f"/api/tasks/{following['id']}?project={project}", "task")
        seconds = time.perf_counter() - begun
        predictions = following.get("predictions") or []
        self._note("next task", status, seconds, task=following.get("id"), suggested=bool(predictions))
        looked = self._look()
        if status == 200:
            body = {"result": self._answer(following), "lead_time": looked}
            if predictions:
                body["parent_prediction"] = predictions[0]["id"]
            begun = time.perf_counter()
            path = f"/api/tasks/{following['id']}/annotations?project={project}"
            status, _ = self._ask("POST", path, "annotation", body)
            self._note("annotation", status, time.perf_counter() - begun, task=following["id"])

    def _ask(self, method: str, path: str, name: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """The status (0: no answer) and the JSON object of an answer; {} where it is none."""
        with self.client.request(method, path, name=name, json=body, catch_response=True, timeout=120) as answer:
            status = int(answer.status_code)
            if status in (200, 201):
                answer.success()
                return status, answer.json()
            answer.failure(f"{status} {answer.text}"[:300])
            return status, {}

    def _look(self) -> float:
        """Wait for a drawn time; how long it was, in seconds."""
        seconds = self._random.expovariate(1 / self._plan["pause"])
        gevent.sleep(seconds)
        return seconds

    def _answer(self, shown: dict[str, Any]) -> list[dict[str, Any]]:
        """The true label, which the name of the photo tells."""
        image = shown["data"]["image"]
        label = next(label for stem, label in self._plan["labels"].items() if stem in image)
        value = {"choices": [label]}
        return [{"from_name": "what", "to_name": "image", "type": "choices", "value": value}]

    def _note(self, what: str, status: int, seconds: float, **more: Any) -> None:
        visit = {"what": what, "ok": status in (200, 201), "status": status, "seconds": seconds, **more}
        with self._visits.open("a", encoding="utf-8") as file:
            file.write(json.dumps(visit) + "\n")
