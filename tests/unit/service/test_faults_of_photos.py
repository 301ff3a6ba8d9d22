"""Photos over HTTP: the k-th call never arrives, is cut off or answered 503, k = 1, 2, 3 …; or the reader is killed at it.

A fault costs its photo alone. The queue has the others, and once the pause is over a poll brings that one as well.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import select, update

from backend.service.ingest.polling import FIRST_PAUSE
from backend.service.queue.queue_window import current_window
from backend.storage.schema import Job, Task
from tests.unit.images.servers import Server, body, redirect, serving
from tests.unit.service.connected import TASKS, Connected, settled
from tests.unit.service.faults import Counter
from tests.unit.service.killed_jobs import MortalWorkers, survived

pytestmark = pytest.mark.unit

log = logging.getLogger(__name__)

STEP = min(int(os.environ.get("FAULT_STEP", "4")), 4)  # 1: every single one; there are few calls
MOVED = TASKS[0]  # its address is another's by now: two calls

Fail = Callable[[BaseHTTPRequestHandler, bytes], None]


def hang_up(handler: BaseHTTPRequestHandler, photo: bytes) -> None:
    handler.close_connection = True


def cut_off(handler: BaseHTTPRequestHandler, photo: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(photo)))
    handler.end_headers()
    handler.wfile.write(photo[: len(photo) // 2])
    handler.close_connection = True


def cut_off_chunk(handler: BaseHTTPRequestHandler, photo: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    half = photo[: len(photo) // 2]
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
    handler.close_connection = True


def unavailable(handler: BaseHTTPRequestHandler, photo: bytes) -> None:
    body(b"try later", status=503)(handler)


class PhotoHost:
    """Serves the photo of each task. The photo that the k-th call asks for fails from then on, until the fault is over.

    Attributes:
        struck: the task whose photo fails; None: none does.
    """

    def __init__(self, server: Server, photos: dict[int, bytes]) -> None:
        self.server = server
        self.struck: int | None = None
        self._counter = Counter(0)
        self._fail: Fail = hang_up
        self._lock = threading.Lock()
        for task, photo in photos.items():
            server.routes[f"/{task}.jpg"] = self._route(task, photo)
        server.routes["/moved.jpg"] = self._route(MOVED, photos[MOVED], redirect(f"/{MOVED}.jpg"))

    def address(self, task: int) -> str:
        return f"{self.server.url}/{'moved' if task == MOVED else task}.jpg"

    @contextmanager
    def fault(self, number: int, fail: Fail) -> Iterator[Counter]:
        """Within it, the call of this number fails, and all for the same photo."""
        self._counter, self._fail, self.struck = Counter(number), fail, None
        try:
            yield self._counter
        finally:
            self._counter, self.struck = Counter(0), None

    def _route(self, task: int, photo: bytes, route: Callable[..., None] | None = None) -> Callable[..., None]:
        answer = route or body(photo)

        def answered(handler: BaseHTTPRequestHandler) -> None:
            with self._lock:
                if self._counter.hit():
                    self.struck = task
                struck = self.struck == task
            self._fail(handler, photo) if struck else answer(handler)

        return answered


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    with settled(tmp_path_factory.mktemp("photos")) as made:
        yield made


@pytest.fixture(scope="module")
def host(connected: Connected) -> Iterator[PhotoHost]:
    """The photos of the project, which has them at these addresses now."""
    with connected.project.database.session() as session:
        files = {task.task_id: task.image for task in session.scalars(select(Task))}
    with serving() as server:
        made = PhotoHost(server, {task: Path(file).read_bytes() for task, file in files.items()})
        connected.project.open(allowed_hosts=("127.0.0.1",))
        for task in TASKS:
            connected.label_studio.tasks[task]["data"] = {"i": made.address(task)}
        with connected.project.database.session() as session:
            for row in session.scalars(select(Task)):
                row.data, row.image = {"i": made.address(row.task_id)}, made.address(row.task_id)
        yield made


def nothing_read(connected: Connected) -> str:
    """As if all photos were new; the job that reads them."""
    with connected.project.database.session() as session:
        session.execute(update(Task).values(digest=None, failure=None, failure_detail=None, attempts=0))
    return connected.project.jobs.enqueue("embed", 1)


def failures(connected: Connected) -> dict[int, str | None]:
    with connected.project.database.session() as session:
        rows = session.execute(select(Task.task_id, Task.failure).where(Task.digest.is_(None)))
        return {row.task_id: row.failure for row in rows}


def after_the_pause(connected: Connected) -> None:
    with connected.project.database.session() as session:
        for job in session.scalars(select(Job).where(Job.kind == "embed", Job.finished_at.is_not(None))):
            assert job.finished_at is not None
            job.finished_at -= FIRST_PAUSE + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (hang_up, "unreachable"),
        (cut_off, "unreachable"),
        (cut_off_chunk, "unreachable"),
        (unavailable, "http_status"),
    ],
)
def test_a_call_that_fails_costs_its_photo_until_the_next_attempt(
    connected: Connected, host: PhotoHost, fail: Fail, reason: str
) -> None:
    for number in range(1, 400, STEP):
        job = nothing_read(connected)
        with host.fault(number, fail) as counter:
            connected.project._runner.run(job)
            struck = host.struck
        assert connected.project.jobs.ledger.get(job).status == "done"
        lost = {} if struck is None else {struck: reason}
        assert failures(connected) == lost
        connected.poll()
        assert failures(connected) == lost, "a server that is away is not asked at every poll"
        answered = {row["task"] for row in connected.check_annotations()}
        window = [item.task_id for item in current_window(connected.project.runtime, connected.project.row)]
        assert set(window) == set(TASKS) - answered - lost.keys()
        # A photo that was known before keeps its place in Label Studio, behind all that are ordered.
        assert connected.label_studio.queue()[: len(window)] == window
        after_the_pause(connected)
        connected.poll()
        connected.check()
        if not counter.failed:
            log.info("photos: %s at %d places", fail.__name__, counter.seen)
            assert counter.seen == len(TASKS) + 1
            return
    raise AssertionError("it never passed")


def killed_at(host: PhotoHost, number: int, start: Callable[[], BaseProcess]) -> tuple[bool, Counter]:
    """Start a reader and kill it at its call of this number; whether it survived, and the calls."""
    readers: queue.Queue[BaseProcess] = queue.Queue()

    def kill(handler: BaseHTTPRequestHandler, photo: bytes) -> None:
        with suppress(queue.Empty):  # it is dead already: another of its calls for the photo
            readers.get(timeout=60).kill()
        handler.close_connection = True

    with host.fault(number, kill) as counter:
        reader = start()
        readers.put(reader)
        return survived(reader), counter


def test_a_reader_that_is_killed_at_a_call(connected: Connected, host: PhotoHost) -> None:
    """Its process dies by SIGKILL while it waits for the photo."""
    workers = MortalWorkers()
    ledger = connected.project.jobs.ledger
    for number in range(1, 400, STEP):
        job = nothing_read(connected)
        alive, counter = killed_at(host, number, partial(workers.start, connected.project.settings, job))
        assert alive is not counter.failed
        if alive:
            assert ledger.get(job).status == "done"
        else:
            assert ledger.recover(connected.project._runner.name) == [job]
        connected.poll()
        connected.check()
        if alive:
            log.info("photos: kills at %d places", counter.seen)
            return
    raise AssertionError("it never passed")
