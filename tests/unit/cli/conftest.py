from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.cli.app import build_app
from backend.demo.sample_photos import write_sample_photos
from backend.features import open_backbone
from backend.labels import ensure_wordnet
from backend.settings import setting_names

REPOSITORY = Path(__file__).resolve().parents[3]

Run = Callable[..., Result]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty STATE_DIR, no other setting, and a working directory without a `.env` file."""
    for name in list(os.environ):
        if name.upper() in setting_names():
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("STATE_DIR", str(folder))
    return folder


@pytest.fixture
def run(state: Path) -> Run:
    """Runs a command; an exception that it does not handle fails the test."""

    def run_command(*arguments: str | Path) -> Result:
        return CliRunner().invoke(build_app(), [str(argument) for argument in arguments], catch_exceptions=False)

    return run_command


@pytest.fixture
def set_up(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state with WordNet and the smallest embedded backbone, both shared with the other tests."""
    models = REPOSITORY / ".cache" / "models"
    ensure_wordnet(models / "wordnet")
    open_backbone("efficientnet_lite0", models_dir=models)  # compiles it if no other test did
    monkeypatch.setenv("WEIGHTS_DIR", str(models))
    monkeypatch.setenv("BACKBONE", "efficientnet_lite0")
    return state


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs in two folders, and one file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for number, path in enumerate(write_sample_photos(folder, count=12)):
        if number % 2:
            (folder / "more").mkdir(exist_ok=True)
            path.rename(folder / "more" / path.name)
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder
