from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import Result

from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.unit


def verdicts(result: Result) -> dict[str, str]:
    found = re.findall(r"^(ok|warn|fail) +(\S+(?: \S+)*?)(?:  |$)", result.stdout, flags=re.M)
    return {name: verdict for verdict, name in found}


@pytest.fixture(autouse=True)
def nothing_listens(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:1")


def test_a_machine_that_is_set_up_has_no_fault(run: Run, set_up: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.stdout
    found = verdicts(result)
    assert {found[name] for name in ("Settings", "State folder", "WordNet", "Backbone")} == {"ok"}
    assert found["Label Studio"] == "warn"
    assert found["Backend"] == "warn"


def test_what_is_missing_fails_with_its_fix(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BACKBONE", "inception_v3")
    monkeypatch.setenv("INCEPTION_WEIGHTS", str(tmp_path / "nowhere.h5"))
    monkeypatch.setenv("LOCAL_ROOTS", str(tmp_path / "gone"))
    result = run("doctor")
    assert result.exit_code == 1
    found = verdicts(result)
    assert (found["WordNet"], found["Backbone"], found["Local photos"]) == ("fail", "fail", "fail")
    assert "make setup" in result.stdout
    assert "LOCAL_ROOTS" in result.stdout


def test_a_state_folder_that_is_a_file_fails(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "file"))
    result = run("doctor")
    assert result.exit_code == 1
    assert verdicts(result)["State folder"] == "fail"


def test_bad_settings_are_the_only_finding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    result = run("doctor")
    assert result.exit_code == 1
    assert verdicts(result) == {"Settings": "fail"}
    assert "PORT" in result.stdout


def test_a_label_studio_that_is_down_fails(run: Run, set_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0" * 40)
    result = run("doctor")
    assert result.exit_code == 1
    assert verdicts(result)["Label Studio reachable"] == "fail"
