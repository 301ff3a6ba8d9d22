"""`forget` as somebody meets it who never ran it: what it asks, what it refuses, and what is left afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from backend.cli.app import build_app
from backend.cli.runtime import open_runtime
from backend.reports import Reporter
from backend.service.ingest.spool import SPOOL, EventSpool
from backend.service.projects.project import find_project, list_projects, set_up_project
from backend.service.versions.artifacts import project_folder
from backend.storage.schema import Annotation, Job, Task
from tests.unit.cli.conftest import REPOSITORY, Run

pytestmark = pytest.mark.unit

CONFIG = (REPOSITORY / "label_config.xml").read_text(encoding="utf-8")


@pytest.fixture
def project(state: Path) -> Path:
    """A state with the projects 5 and 6, each with a photo, an answer, a job and a file; the files of 5."""
    with open_runtime(5) as runtime:
        for number, title in ((5, "Sports [old]"), (6, "")):
            set_up_project(runtime, number, label_config=CONFIG, title=title)
            with runtime.database.session() as session:
                session.add(Task(project_id=number, task_id=number, data={}, image="1.jpg"))
                session.add(Annotation(project_id=number, annotation_id=number, task_id=number))
            (project_folder(runtime, number) / "heads").mkdir(parents=True)
        return project_folder(runtime, 5)


def rows(number: int) -> list[int]:
    """How many tasks, annotations and jobs of a project there are."""
    with open_runtime(number) as runtime, runtime.database.session() as session:
        counts = (
            session.scalar(select(func.count()).select_from(table).where(table.project_id == number))
            for table in (Task, Annotation, Job)
        )
        return [count or 0 for count in counts]


def test_all_of_the_project_goes_and_nothing_of_another(run: Run, project: Path) -> None:
    done = run("forget", "--project", "5", "--yes")
    said = " ".join(done.stdout.split())
    assert "Project 5 (Sports [old]): 1 photo, 0 versions." in said
    assert "Project 5 is forgotten. If Label Studio still has it connected, its next call makes it known again" in said
    assert rows(5) == [0, 0, 0]
    assert not project.exists()
    assert rows(6) == [1, 1, 1]
    with open_runtime(6) as runtime:
        assert project_folder(runtime, 6).exists()
        assert find_project(runtime, 6).title == ""


def test_events_that_wait_for_the_database_do_not_bring_it_back(run: Run, project: Path, state: Path) -> None:
    spool = EventSpool(state / SPOOL)
    for number in (5, 6):
        spool.put("PROJECT_UPDATED", {"project": {"id": number, "label_config": CONFIG}})
    spool.put("PROJECT_UPDATED", {})
    run("forget", "--project", "5", "--yes")
    assert len(spool.waiting()) == 2
    with open_runtime(6) as runtime:
        spool.take_in(runtime)
        assert [found.id for found in list_projects(runtime)] == [6]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "return alone", "nobody there"])
def test_without_a_yes_nothing_goes(project: Path, answer: str) -> None:
    done = CliRunner().invoke(build_app(), ["forget", "--project", "5"], input=answer)
    assert done.exit_code == 1
    assert "Forget it?" in done.stdout
    assert rows(5) == [1, 1, 1]
    assert project.exists()


def refused(run: Run, *arguments: str) -> str:
    """What a command says that must not do what was asked."""
    done = run("forget", *arguments)
    assert done.exit_code == 2
    return " ".join(done.stderr.split())


def test_a_project_that_is_not_known_names_those_that_are(run: Run, project: Path) -> None:
    said = refused(run, "--project", "7", "--yes")
    assert "Project 7 is not known" in said
    assert "Known: 5 (Sports [old]), 6 (without a title)." in said
    assert rows(5) == rows(6) == [1, 1, 1]


@pytest.mark.parametrize("number", [0, -3, 2**31, 10**20])
def test_a_number_that_no_project_has_is_refused_in_words(run: Run, project: Path, number: int) -> None:
    assert f"No project has the number {number}" in refused(run, "--project", str(number), "--yes")


def test_while_a_worker_is_at_work_nothing_goes(run: Run, project: Path) -> None:
    with open_runtime(5) as runtime:
        Reporter(runtime.reports_folder, "worker", "here").write()
    assert "stop it, wait 15 s" in refused(run, "--project", "5", "--yes")
    assert rows(5) == [1, 1, 1]
