"""Calls of /predict take turns at looking things up, as long as their time allows; a photo that is slow holds up nobody."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backend.service.queue.predict import TURNS, Predictor
from backend.storage.schema import Task
from tests.local_server import Answer, Handler, LocalServer
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit

CALLERS = 4 * TURNS


class SlowPhotos(LocalServer):
    """Answers with a photo once it is let go."""

    def __init__(self, photo: bytes) -> None:
        asked, free = threading.Semaphore(0), threading.Event()

        class Slow(Handler):
            def answer(self, body: bytes) -> Answer:
                asked.release()
                assert free.wait(60)
                return Answer(200, photo)

        super().__init__(Slow)
        self.asked, self.free = asked, free


@pytest.fixture
def project(tmp_path: Path) -> PhotoProject:
    made = PhotoProject(tmp_path, ("coffee", "rocket"), 4, allowed_hosts=("127.0.0.1",))
    made.run("embed")
    return made


def test_who_waits_for_a_slow_photo_holds_up_nobody(project: PhotoProject) -> None:
    with project.database.session() as session:
        known = [{"id": number, "data": session.get_one(Task, (1, number)).data} for number in range(8)]
    predictor = Predictor(project.runtime)
    photo = Path(str(known[0]["data"]["i"])).read_bytes()  # type: ignore[index]
    with SlowPhotos(photo) as server, ThreadPoolExecutor(2 * CALLERS) as threads:
        slow = [
            threads.submit(predictor.predict, 1, [{"id": 100 + n, "data": {"i": f"{server.url}/{n}.jpg"}}], 60.0)
            for n in range(CALLERS)
        ]
        try:
            for _ in slow:
                assert server.asked.acquire(timeout=60)
            quick = [threads.submit(predictor.predict, 1, [task], 60.0) for task in known]
            assert all(answers[0] for answers in (future.result(60) for future in quick))
            assert not any(future.done() for future in slow)
        finally:
            server.free.set()
        assert all(future.result(60)[0] for future in slow)


class HeldPredictor(Predictor):
    """Looks tasks up once it is let go."""

    def __init__(self, project: PhotoProject) -> None:
        super().__init__(project.runtime)
        self.begun, self.free = threading.Semaphore(0), threading.Event()

    def _known_tasks(self, *args: Any) -> list[Task]:
        self.begun.release()
        assert self.free.wait(60)
        return super()._known_tasks(*args)


def test_a_call_whose_turn_does_not_come_in_time_is_answered_without_predictions(project: PhotoProject) -> None:
    with project.database.session() as session:
        known = {"id": 1, "data": session.get_one(Task, (1, 1)).data}
    predictor = HeldPredictor(project)
    with ThreadPoolExecutor(TURNS + 1) as threads:
        held = [threads.submit(predictor.predict, 1, [known], 60.0) for _ in range(TURNS)]
        try:
            for _ in held:
                assert predictor.begun.acquire(timeout=60)
            late = threads.submit(predictor.predict, 1, [known, known], 0.1)
            assert late.result(60) == [[], []]
        finally:
            predictor.free.set()
        assert all(future.result(60)[0] for future in held)
        assert threads.submit(predictor.predict, 1, [known], 60.0).result(60)[0]  # both turns were given back
