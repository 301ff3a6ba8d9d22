from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from backend.demo.backend_process import BackendProcess
from backend.demo.demo_folder import FEW_PHOTOS, DemoFolder
from backend.errors import BackendError
from backend.settings import Settings, load_settings

pytestmark = pytest.mark.unit


def test_the_login_is_made_once_at_random_and_private(tmp_path: Path) -> None:
    first = DemoFolder(tmp_path / "one").login()
    assert DemoFolder(tmp_path / "one").login() == first
    other = DemoFolder(tmp_path / "two").login()
    assert other.password != first.password
    assert other.token != first.token
    assert len(first.token) == 40
    assert int(first.token, 16) >= 0
    assert len(first.password) >= 12
    assert first.password not in repr(first)
    assert stat.S_IMODE((tmp_path / "one" / "login.json").stat().st_mode) == 0o600


def test_a_damaged_login_is_named(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    (tmp_path / "login.json").write_text(json.dumps({"email": "a@b.co"}))
    with pytest.raises(BackendError, match=r"login\.json.*start the demo afresh"):
        folder.login()


def test_a_folder_of_photos_is_served_by_a_link_and_remembered(tmp_path: Path) -> None:
    photos = tmp_path / "my photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"photo")
    folder = DemoFolder(tmp_path / "demo")
    link = folder.photos_below(photos)
    assert link.parent == folder.files
    assert (link / "a.jpg").read_bytes() == b"photo"
    assert folder.photos_below(photos) == link
    other = tmp_path / "other" / "my photos"
    other.mkdir(parents=True)
    assert folder.photos_below(other) != link

    assert folder.project_of(link) is None
    folder.remember_project(link, 7)
    folder.remember_project(other, 8)
    assert DemoFolder(tmp_path / "demo").project_of(link) == 7
    assert DemoFolder(tmp_path / "demo").project_of(photos) == 7


def test_the_demo_backend_sees_its_own_settings_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://production")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    environment = BackendProcess(tmp_path, {"PORT": "1234"}).environment()
    assert "DATABASE_URL" not in environment
    assert environment["SOMETHING_ELSE"] == "kept"
    assert environment["PORT"] == "1234"


def test_the_precision_is_decided_once_by_the_number_of_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRECISION", raising=False)
    settings = Settings(_env_file=None)
    small = DemoFolder(tmp_path / "small")
    assert small.precision(settings, FEW_PHOTOS) == "fp32"
    assert small.precision(settings, FEW_PHOTOS + 1) == "fp32"  # another one would embed every photo anew
    assert DemoFolder(tmp_path / "large").precision(settings, FEW_PHOTOS + 1) == "auto"
    assert small.precision(load_settings(precision="int8"), 1) == "int8"


def test_a_demo_of_an_earlier_version_goes_on_as_it_was(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    (folder.backend / "state").mkdir(parents=True)
    assert folder.precision(Settings(_env_file=None), 1) == "auto"
