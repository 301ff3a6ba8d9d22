"""Webhook, poll, training and publication in each other's way, by schedules that are the same each time.

Each is a process of its own, with its own connections and its own pools in memory. One of them stops after its k-th
transaction or call, another runs from its beginning to its end, and the first goes on; and all four by turns.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import select, update

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.service.ingest.webhooks import handle_event
from backend.storage.database import Database
from backend.storage.schema import Job, Project
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner
from tests.database_servers import fresh_database
from tests.unit.service.connected import Connected
from tests.unit.service.turns import TO_THE_END, Schedule, Turns

pytestmark = pytest.mark.unit

log = logging.getLogger(__name__)

ACTORS = ("webhook", "poll", "train", "publish")
STOPS = int(os.environ.get("INTERLEAVING_STOPS", "1"))  # places of each pair; the more, the denser
BY_TURNS = int(os.environ.get("INTERLEAVINGS", "2"))  # schedules of all four


class Process:
    """One process of the installation."""

    def __init__(self, connected: Connected) -> None:
        settings = connected.project.settings
        self.database = Database(settings.resolved_database_url)
        jobs = JobQueue(settings, self.database)
        self.runtime = Runtime(settings, self.database, jobs)
        self.runner = Runner(jobs.ledger, job_handlers(self.runtime), wake=lambda: None)

    def run(self, kind: str, payload: dict[str, object] | None = None) -> None:
        self.runner.run(self.runtime.jobs.enqueue(kind, 1, payload))


class Installation:
    """The four processes, and what each does once."""

    def __init__(self, connected: Connected) -> None:
        self.connected = connected
        self.processes = {name: Process(connected) for name in ACTORS}

    def actors(self) -> dict[str, Callable[[], None]]:
        runs = {name: process.run for name, process in self.processes.items()}
        return {
            "webhook": self.annotators,
            "poll": lambda: runs["poll"]("sync", {"poll": True}),
            "train": lambda: runs["train"]("train"),
            "publish": lambda: runs["publish"]("refresh", {"republish": True}),
        }

    def annotators(self) -> None:
        """An answer is changed, one deleted, one given; each as Label Studio stores it and then tells."""
        runtime = self.processes["webhook"].runtime
        there = self.connected.label_studio
        self.connected.serial += 1
        project = {"id": 1}
        for task in (1, 5):
            handle_event(
                runtime, "ANNOTATION_UPDATED", {"project": project, "annotation": self.connected.annotate(task)}
            )
        gone = [{"id": number} for number in there.delete_annotation(5 if self.connected.serial % 2 else 2)]
        handle_event(runtime, "ANNOTATIONS_DELETED", {"project": project, "annotations": gone})
        handle_event(runtime, "ANNOTATION_CREATED", {"project": project, "annotation": self.connected.annotate(2)})

    def play(self, schedule: Schedule, names: Collection[str] = ACTORS) -> dict[str, int]:
        """Play a schedule of some actors, then one more poll. Returns the steps of each actor."""
        log.info("%s", schedule)
        with self.connected.project.database.session() as session:
            session.execute(update(Project).values(learned_from=""))  # as if the annotations were new
        turns = Turns({name: act for name, act in self.actors().items() if name in names})
        turns.run(schedule, [process.database.engine for process in self.processes.values()])
        if "webhook" in names:
            self.connected.check_annotations()  # all was told, whatever a poll read before or after
        self.connected.poll()
        self.connected.check()
        with self.connected.project.database.session() as session:
            assert list(session.scalars(select(Job.message).where(Job.status == "failed"))) == []
        return turns.steps


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgresql")))
        connected = Connected(tmp_path_factory.mktemp("interleavings"), url)
        stack.callback(connected.project.database.close)
        with connected.label_studio:
            connected.open()
            connected.poll()
            connected.answer_anew()
            connected.poll()
            connected.check()
            made = Installation(connected)
            yield made
            for process in made.processes.values():
                process.database.close()


def test_one_stops_and_another_runs_through(installation: Installation) -> None:
    alone = installation.play([])  # one after another
    assert all(steps >= 5 for steps in alone.values())
    for number, (first, second) in enumerate(itertools.permutations(ACTORS, 2)):
        for stop in range(1, STOPS + 1):
            place = max(1, (stop * 2 - 1) * alone[first] // (2 * STOPS) + number % 3 - 1)
            installation.play([(first, place), (second, TO_THE_END)], {first, second})


def test_a_poll_stops_at_each_place_where_it_reads_and_stores(installation: Installation) -> None:
    for place in range(2, 13):
        installation.play([("poll", place), ("webhook", TO_THE_END)], {"poll", "webhook"})


def test_all_four_by_turns(installation: Installation) -> None:
    for seed in range(BY_TURNS):
        chance = random.Random(seed)
        installation.play([(chance.choice(ACTORS), chance.randint(1, 6)) for _ in range(60)])
