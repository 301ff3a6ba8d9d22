"""Sheets: no photo is before two people, what is answered is stored, what is taken back is not."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from sqlalchemy import select

from backend.errors import LabelStudioError, NotFoundError
from backend.priority.sheets.selection import Sheet
from backend.service.context.context import Runtime
from backend.service.pool.snapshot import Believed
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.service.sheets.candidates import Candidates
from backend.service.sheets.kinds import Proposal
from backend.service.sheets.reservations import ReservedSheet, answering, release, reserve
from backend.service.sheets.sheets import answer_sheet, undo_sheet
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, SheetPhoto, Task
from tests.local_server import Handler, LocalServer
from tests.unit.service.samples import CONFIG, annotation
from tests.unit.sync.scripted_server import Answer, ScriptedServer

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

TASKS = (1, 2, 3, 4)
THE_PROJECT = Answer(200, {"id": 7})  # asked for before anything is written to it


@pytest.fixture
def project(runtime: Runtime, database: Database) -> int:
    set_up_project(runtime, 7, label_config=CONFIG, title="Sports")
    with database.session() as session:
        session.add_all(Task(project_id=7, task_id=task, data={}, image="", digest=f"{task:064d}") for task in TASKS)
    return 7


def take(runtime: Runtime, project_id: int, holder: str, tasks: Sequence[int] = TASKS) -> ReservedSheet:
    project, count = find_project(runtime, project_id), len(TASKS)
    candidates = Candidates(
        task_ids=np.array(TASKS),
        probabilities=np.full((count, 3), 1 / 3, np.float16),
        believed=Believed(np.zeros(count, np.int32), np.full(count, 1 / 3, np.float16)),
        answered=np.zeros(count, bool),
        free=np.ones(count, bool),
        evaluation=np.zeros(count, bool),
        project_id=project_id,
        space=labels_of(runtime, project).spaces[0],
        backbone="none",
    )
    rows = np.array([TASKS.index(task) for task in tasks])
    return reserve(runtime, project, candidates, Proposal(Sheet(0, rows, 0.9, 1.0)), rows, "confirm", holder)


def test_people_at_the_same_time_never_get_the_same_photo(runtime: Runtime, project: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        sheets = list(
            pool.map(
                lambda person: take(runtime, project, f"p{person}", np.random.default_rng(person).permutation(TASKS)),
                range(4),
            )
        )
    held = sorted(task for sheet in sheets for task, _ in sheet.tasks)
    assert held == list(TASKS)
    owner = next(number for number, sheet in enumerate(sheets) if sheet.tasks)
    mine = sorted(task for task, _ in sheets[owner].tasks)
    with answering(runtime, project, sheets[owner].id, f"p{owner}") as (kind, tasks):
        assert (kind, sorted(tasks)) == ("confirm", mine)
    for holder in ("somebody", f"p{owner + 1}"):
        with (
            pytest.raises(NotFoundError, match="no longer yours"),
            answering(runtime, project, sheets[owner].id, holder),
        ):
            pass
    release(runtime, project, f"p{owner}")
    assert sorted(task for task, _ in take(runtime, project, "next").tasks) == mine


def test_what_is_answered_is_stored_and_taken_back(
    runtime: Runtime, database: Database, settings: Settings, project: int
) -> None:
    tasks = [{"id": 1, "total_annotations": 0}, {"id": 2, "total_annotations": 0}, {"id": 3, "locked_by": [5]}]
    answers = (
        THE_PROJECT,
        Answer(200, {"tasks": tasks, "total": 3}),
        Answer(201, annotation(11)),
        Answer(201, annotation(12)),
        THE_PROJECT,
        Answer(204, b""),
    )
    with ScriptedServer(*answers) as server:
        access = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        pushing = Runtime(settings.model_copy(update=access), database, runtime.jobs)
        sheet = take(pushing, project, "me", (1, 2, 3))
        outcome = answer_sheet(pushing, project, sheet.id, "me", {1: "Tennis", 2: "Golf", 3: "Tennis"}, by="ann@x.org")
        assert list(outcome.saved) == [1, 2]
        assert dict(outcome.left_out) == {3: "somebody else answered it or has it open"}
        with database.session() as session:
            found = {photo.task_id: photo.answered for photo in session.scalars(select(SheetPhoto))}
            stored = {item.task_id for item in session.scalars(select(Annotation).where(Annotation.deleted.is_(False)))}
        assert found == {1: "Tennis", 2: "Golf", 3: None}
        assert stored == {1, 2}
        written = [json.loads(request.body) for request in server.requests if request.method == "POST"]
        assert [item["result"][0]["meta"] for item in written] == 2 * [{"sheet": sheet.id, "by": "ann@x.org"}]
        assert list(undo_sheet(pushing, project, "me").saved) == [1, 2]
        deleted = sorted(request.path for request in server.requests if request.method == "DELETE")
    assert deleted == ["/api/annotations/11/", "/api/annotations/12/"]
    with database.session() as session:
        assert all(item.deleted for item in session.scalars(select(Annotation)))
        assert all(photo.answered is None for photo in session.scalars(select(SheetPhoto)))


def test_an_answer_that_is_gone_from_label_studio_counts_as_taken_back(
    runtime: Runtime, database: Database, settings: Settings, project: int
) -> None:
    free = Answer(200, {"tasks": [{"id": 1, "total_annotations": 0}], "total": 1})
    gone = Answer(404, {"detail": "No Annotation matches the given query."})
    with ScriptedServer(THE_PROJECT, free, Answer(201, annotation(11)), THE_PROJECT, gone) as server:
        access = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        pushing = Runtime(settings.model_copy(update=access), database, runtime.jobs)
        sheet = take(pushing, project, "me", (1,))
        assert list(answer_sheet(pushing, project, sheet.id, "me", {1: "Tennis"}).saved) == [1]
        outcome = undo_sheet(pushing, project, "me")
        assert (list(outcome.saved), dict(outcome.left_out)) == ([1], {})
        with pytest.raises(NotFoundError, match="no answered sheet"):  # an earlier one would be next
            undo_sheet(pushing, project, "me")


def test_a_click_that_is_sent_twice_is_answered_once(
    runtime: Runtime, database: Database, settings: Settings, project: int
) -> None:
    together = threading.Barrier(2)
    written: list[str] = []

    class Slow(Handler):
        def answer(self, body: bytes) -> Answer:
            if self.command == "GET":  # both ask whether the photos are free before one has answered them
                with suppress(threading.BrokenBarrierError):
                    together.wait(1)
                return Answer(200, {"tasks": [{"id": task, "total_annotations": 0} for task in TASKS], "total": 4})
            written.append(self.path)
            return Answer(201, annotation(10 + len(written)))

    with LocalServer(Slow) as server:
        access = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        pushing = Runtime(settings.model_copy(update=access), database, runtime.jobs)
        sheet = take(pushing, project, "me", (1, 2))

        def click(_: int) -> list[int]:
            try:
                return list(answer_sheet(pushing, project, sheet.id, "me", {1: "Tennis", 2: "Golf"}).saved)
            except NotFoundError:
                return []

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(click, range(2))) == [[], [1, 2]]
    assert sorted(written) == ["/api/tasks/1/annotations/", "/api/tasks/2/annotations/"]


def test_a_sheet_that_could_not_be_answered_stays_its_person_s(
    runtime: Runtime, database: Database, settings: Settings, project: int
) -> None:
    with ScriptedServer(Answer(500, {"detail": "broken"})) as server:
        access = {"label_studio_url": server.url, "label_studio_api_key": "0" * 40}
        pushing = Runtime(settings.model_copy(update=access), database, runtime.jobs)
        sheet = take(pushing, project, "me", (1, 2))
        for _ in range(2):
            with pytest.raises(LabelStudioError):
                answer_sheet(pushing, project, sheet.id, "me", {1: "Tennis"})
