from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.state import DEMO_STATE, settings_for_project
from backend.demo.demo_folder import PRECISION_FILE
from backend.settings import load_settings
from backend.storage.database import Database
from backend.storage.opening import open_database
from backend.storage.schema import Project
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.unit


@pytest.fixture
def demo(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No STATE_DIR is set; project 1 is the demo's, below the working directory, and project 2 is in both states."""
    monkeypatch.delenv("STATE_DIR")
    for folder, projects in ((DEMO_STATE, (1, 2)), (Path(".state"), (2,))):
        folder.mkdir(parents=True, mode=0o700)
        with open_database(load_settings(state_dir=folder)) as database:
            _add(database, projects)


def _add(database: Database, projects: tuple[int, ...]) -> None:
    with database.session() as session:
        session.add_all(Project(id=number) for number in projects)


def test_the_demos_project_is_found_without_a_state_dir(run: Run, demo: None) -> None:
    listed = run("models", "list", "--project", "1")
    assert listed.exit_code == 0, listed.output
    assert f"Project 1 of the demo, in {DEMO_STATE}." in listed.stderr
    exported = run("export", "--project", "1", "--format", "onnx")
    assert "Project 1 of the demo" in exported.stderr
    trained = run("train", "--project", "1", "--no-wait")
    assert trained.exit_code == 0, trained.output


def test_the_demos_project_keeps_its_precision(demo: None) -> None:
    assert settings_for_project(1).precision == "auto"
    (Path(".demo") / PRECISION_FILE).write_text("fp32\n")
    assert settings_for_project(1).precision == "fp32"
    assert settings_for_project(2).precision == "auto"


def test_a_project_of_this_folder_comes_first(run: Run, demo: None) -> None:
    assert "demo" not in run("models", "list", "--project", "2").stderr


def test_a_state_dir_that_is_set_is_the_only_one(run: Run, demo: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", "elsewhere")
    result = run("models", "list", "--project", "1")
    assert result.exit_code == 2
    assert "Project 1 is not set up" in result.stderr
