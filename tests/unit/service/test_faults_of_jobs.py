"""The k-th call of a job fails, k = 1, 2, 3 … until it passes: sync, embed, publication and training.

After each fault and one poll: Label Studio's annotations are all here, its queue is ours, every version can be read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from requests.exceptions import RequestException
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from backend.storage.schema import Feature, Project, Task
from tests.unit.service.connected import TASKS, Connected, settled
from tests.unit.service.faults import Counter, FileFaults, database_fault, http_fault

pytestmark = pytest.mark.unit

log = logging.getLogger(__name__)

FILES = FileFaults()
STEP = int(os.environ.get("FAULT_STEP", "7"))  # 1: every single one; the suite takes every seventh

Inject = Callable[[int], AbstractContextManager[Counter]]


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    with settled(tmp_path_factory.mktemp("faults")) as made:
        yield made


def sync(connected: Connected) -> None:
    connected.answer_anew()
    connected.run("sync", {"poll": True})


def embed(connected: Connected) -> None:
    """Two photos are new: nothing is known of their pixels."""
    with connected.project.database.session() as session:
        digests = select(Task.digest).where(Task.task_id.in_(TASKS[-2:]))
        session.execute(delete(Feature).where(Feature.digest.in_(digests)))
        session.execute(update(Task).where(Task.task_id.in_(TASKS[-2:])).values(digest=None))
    connected.run("embed")


def publish(connected: Connected) -> None:
    connected.run("refresh", {"republish": True})


def train(connected: Connected) -> None:
    with connected.project.database.session() as session:
        session.execute(update(Project).values(learned_from=""))  # as if the annotations were new
    connected.run("train")


def inject_into(connected: Connected, what: str) -> Inject:
    state = connected.project.settings.state_dir
    return {
        "database": lambda number: database_fault(connected.project.database.engine, number),
        "files": lambda number: FILES.fault(state / "projects", number),
        "lost calls": lambda number: http_fault(number, answered=False),
        "lost answers": lambda number: http_fault(number, answered=True),
    }[what]


@pytest.mark.parametrize(
    ("path", "what", "at_least"),
    [
        (sync, "database", 15),
        (sync, "lost calls", 3),
        (sync, "lost answers", 3),
        (embed, "database", 8),
        (publish, "database", 20),
        (publish, "files", 3),
        (publish, "lost calls", 3),
        (publish, "lost answers", 3),
        (train, "database", 20),
        (train, "files", 5),
    ],
)
def test_a_job(connected: Connected, path: Callable[[Connected], None], what: str, at_least: int) -> None:
    step = min(STEP, 3) if what.startswith("lost") else STEP  # there are few calls
    faults = 0
    for number in range(1, 400, step):
        if path is publish:  # the answers are taken in before: what fails is the publication
            connected.answer_anew()
            connected.run("sync")
        with inject_into(connected, what)(number) as counter:
            try:
                path(connected)
            except (OperationalError, OSError, RequestException):  # the process would end, and another take over
                assert counter.failed
        faults += counter.failed
        connected.open()
        connected.project.jobs.ledger.recover(connected.project._runner.name)
        connected.poll()
        connected.check()
        if not counter.failed:
            log.info("%s: faults of %s at %d places", path.__name__, what, counter.seen)
            assert faults >= at_least // step
            return
    raise AssertionError("it never passed")
