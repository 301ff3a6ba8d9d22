"""The benchmark of a team: what its annotators send, what it makes of what they met, and of the memory it saw."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.annotators import table
from benchmarks.memory import Memory, slope, watched
from benchmarks.team import Plan, Work, run_locust
from tests.local_server import Answer, Handler, LocalServer

pytestmark = pytest.mark.unit

PROJECT = 7


class TeamServer(LocalServer):
    """Hands out tasks with a prediction each, as Label Studio does; every third annotation is refused."""

    def __init__(self) -> None:
        self.annotations: list[tuple[int, str, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self._handed = 0
        team = self

        class TeamHandler(Handler):
            def answer(self, body: bytes) -> Answer:
                person = self.headers["Authorization"]
                return team.answer(self.path, person, json.loads(body) if body else {})

        super().__init__(TeamHandler)

    def answer(self, path: str, person: str, body: dict[str, Any]) -> Answer:
        with self._lock:
            if path == f"/api/projects/{PROJECT}/next":
                self._handed += 1
                image = f"/data/local-files/?d=photos%2F00_{('chelsea', 'rocket')[self._handed % 2]}_00.jpg"
                return Answer(200, self._task(self._handed, image))
            number = int(path.split("/")[3].split("?")[0])
            if "annotations" not in path:
                return Answer(200, {"id": number})
            self.annotations.append((number, person, body))
            return Answer(400 if len(self.annotations) % 3 == 0 else 201, {})

    @staticmethod
    def _task(number: int, image: str) -> dict[str, Any]:
        return {"id": number, "data": {"image": image}, "predictions": [{"id": 100 + number}]}


@pytest.fixture
def server() -> Iterator[TeamServer]:
    with TeamServer() as team:
        yield team


# Not imported: locust would replace this process's own threads.
@pytest.mark.skipif(find_spec("locust") is None, reason="locust is in the dependency group `bench`")
def test_annotators_submit_the_truth_with_the_suggestion_that_they_saw(server: TeamServer, tmp_path: Path) -> None:
    plan = Plan(PROJECT, ["a", "b", "c"], pause=0.05, seed=0)
    visits = run_locust(server.url, plan, annotators=3, seconds=3, folder=tmp_path)

    assert {person for _, person, _ in server.annotations} == {"Token a", "Token b", "Token c"}
    for task, _, body in server.annotations:
        assert body["parent_prediction"] == 100 + task
        assert body["result"][0]["value"]["choices"] == ["rocket" if task % 2 else "cat"]
        assert body["lead_time"] > 0
    work = Work.of(visits)
    assert set(work.errors) == {"annotation 400"}
    assert abs(len(work.errors) - len(server.annotations) // 3) <= 3  # those cut off by the end are not told
    assert work.bare == 0
    assert 0 < work.percentile(50) <= work.percentile(95)


def visit(what: str, status: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"what": what, "ok": status in (200, 201), "status": status, "seconds": seconds, **more}


def test_what_a_team_met_is_counted() -> None:
    visits = [
        visit("next task", 200, 0.1, suggested=True),
        visit("next task", 200, 0.3, suggested=False),
        visit("next task", 500, 9.0, suggested=False),
        visit("annotation", 201, 0.2),
        visit("annotation", 201, 0.2),
        visit("annotation", 0, 9.0),
    ]
    work = Work.of(visits, processor=0.5, elapsed=2.0)
    assert work.next_task == [0.1, 0.3]
    assert work.errors == ["next task 500", "annotation 0"]
    assert work.bare == 1
    assert work.cost == 0.25

    alone = Work.of([visit("next task", 200, 0.1, suggested=False), visit("annotation", 201, 0.1)], 0.1, 2.0)
    printed = table(alone, work, {"web": Memory([0.0, 3600.0], [100.0, 130.0])})
    assert "p50 2.00" in printed
    assert "1 x annotation 0" in printed
    assert "100 to     130 MB   slope      +30 MB/hour" in printed


def test_what_a_process_opens_at_first_is_not_in_the_late_slope() -> None:
    samples = Memory([0.0, 60.0, 120.0, 180.0, 240.0], [100.0, 300.0, 400.0, 401.0, 402.0])
    assert samples.late_slope == pytest.approx(1.0)
    assert math.isnan(Memory([0.0, 120.0], [1.0, 2.0]).late_slope)


def test_the_slope_is_that_of_least_squares() -> None:
    assert slope([0, 1, 2], [1, 1, 4]) == pytest.approx(1.5)
    assert math.isnan(slope([1, 1], [0, 5]))


def test_memory_is_that_of_each_process_with_what_it_started() -> None:
    child = "import subprocess, sys; print(flush=True); sys.stdin.read()"
    parent = (
        "import subprocess, sys\n"
        f"run = lambda *words: subprocess.Popen([sys.executable, '-c', {child!r}, 'backend', *words])\n"
        "processes = [run('web', '--port', '1'), run('worker', '--lane', 'long')]\n"
        "sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", parent], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        for _ in range(2):  # both children run
            process.stdout.readline()
        with watched(psutil.Process(process.pid)) as memory:
            time.sleep(0.1)
        process.communicate()
    assert set(memory) == {"web", "worker long"}
    assert all(1 < samples.megabytes[0] < 1000 for samples in memory.values())
