from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from backend.active_learning.loop_options import LoopOptions
from backend.cli.retrain import retrain
from backend.cli.run import run as run_loop
from backend.retraining.options import Distortions, RetrainOptions
from tests.unit.cli.conftest import REPOSITORY, Run

pytestmark = pytest.mark.unit

SLOW = ("tensorflow", "keras", "openvino", "sklearn", "scipy", "nltk", "faiss", "sqlalchemy", "flask", "matplotlib")


def test_help_imports_nothing_that_loads_slowly(tmp_path: Path) -> None:
    program = f"import sys, backend.cli.app as a; a.build_app(); print([m for m in {SLOW!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    result = run()
    assert "Commands" in result.output
    assert "order" in result.output


def test_a_mistake_is_one_message_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW_SIZE", "many")
    result = run("order", "--directory", ".", "--labels", REPOSITORY / "label_config.xml")
    assert result.exit_code == 2
    assert "Error: Settings are not valid" in result.stderr
    assert "WINDOW_SIZE" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["models list --project 1", "serve", "web", "worker"])
def test_a_database_out_of_reach_is_named(
    command: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    result = run(*command.split())
    assert result.exit_code == 2
    assert "DATABASE_URL" in result.stderr


def test_settings_lists_each_with_its_default_and_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "very-secret")
    result = run("settings")
    assert result.exit_code == 0
    assert "RETRAIN_EVERY" in result.stdout
    assert "very-secret" not in result.output


def test_strategies_and_backbones_are_listed(run: Run) -> None:
    assert "cluster_margin" in run("strategies").stdout
    assert "[0, 1]" in run("strategies", "margin").stdout
    assert "efficientnet_lite2" in run("backbones").stdout
    unknown = run("strategies", "guess")
    assert unknown.exit_code == 2
    assert "guess" in unknown.stderr


def test_options_have_the_same_default_on_the_command_line_and_in_python() -> None:
    for command, options in ((retrain, RetrainOptions), (retrain, Distortions), (run_loop, LoopOptions)):
        shown = {name: item.default for name, item in inspect.signature(command).parameters.items()}
        fields = {item.name: item.default for item in dataclasses.fields(options)}
        missing = dataclasses.MISSING, inspect.Parameter.empty
        both = {name for name in shown.keys() & fields if shown[name] not in missing and fields[name] not in missing}
        assert len(both) >= 4
        assert {name: shown[name] for name in both} == {name: fields[name] for name in both}
