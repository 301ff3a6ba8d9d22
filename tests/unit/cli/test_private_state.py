"""STATE_DIR is made for its user alone by whichever command comes first: none warns of what another of ours left open."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from backend.settings import Settings
from backend.storage.opening import make_state_folder
from tests.unit.cli.conftest import REPOSITORY, Run

pytestmark = pytest.mark.unit

ORDER = ("order", "--directory", "photos", "--labels", REPOSITORY / "examples" / "wordnet-branches.xml")


@pytest.mark.parametrize("command", [("setup",), ("label-image", "--image", "photos"), ORDER], ids=lambda item: item[0])
def test_the_state_folder_is_private(
    run: Run,
    set_up: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: tuple[str | Path, ...],
) -> None:
    state = tmp_path / "new"
    monkeypatch.setenv("STATE_DIR", str(state))
    monkeypatch.setenv("WORDNET_DIR", str(REPOSITORY / ".cache" / "models" / "wordnet"))
    monkeypatch.delenv("WEIGHTS_DIR")
    monkeypatch.setenv("BACKBONE", "there_is_none")  # it ends where it would begin to compile
    assert run(*(photos if word == "photos" else word for word in command)).exit_code == 2
    assert (state / "models").is_dir()
    assert state.stat().st_mode & 0o077 == 0
    with caplog.at_level(logging.WARNING):
        make_state_folder(Settings(_env_file=None, state_dir=state))
    assert caplog.text == ""
