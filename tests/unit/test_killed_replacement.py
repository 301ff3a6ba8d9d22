"""A process is killed while it puts a folder in the place of another: the next start ends what it left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.files import atomic_folder, end_replacements
from backend.settings import Settings
from backend.storage.opening import migrate_database

pytestmark = pytest.mark.unit

# Replaces the folder, and is killed at a call by its name and number.
KILLED = """
import os, signal, sys
from pathlib import Path
from backend.files import atomic_folder
target, name, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with atomic_folder(target) as folder:
    (folder / "content").write_text("new")
    def hook(event, arguments):
        global number
        if event == name:
            number -= 1
            if number == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
"""


def killed_at(target: Path, call: str, number: int) -> None:
    target.mkdir(parents=True)
    (target / "content").write_text("old")
    child = subprocess.run([sys.executable, "-c", KILLED, str(target), call, str(number)], check=False)
    assert child.returncode == -signal.SIGKILL


def age(root: Path) -> None:
    """As if two hours had passed."""
    for path in root.rglob(".*-*"):
        earlier = path.stat().st_mtime - 7200
        os.utime(path, (earlier, earlier))


def left(root: Path) -> list[Path]:
    return list(root.rglob(".*-old-*"))


@pytest.mark.parametrize(
    ("call", "number", "there", "content"),
    [("os.rename", 1, True, "old"), ("os.rename", 2, False, "old"), ("shutil.rmtree", 1, True, "new")],
)
def test_the_next_start_ends_it(tmp_path: Path, call: str, number: int, there: bool, content: str) -> None:
    target = tmp_path / "state" / "projects" / "1" / "snapshot"
    killed_at(target, call, number)
    assert target.exists() is there
    assert left(tmp_path)
    age(tmp_path)
    migrate_database(Settings(_env_file=None, state_dir=tmp_path / "state"))
    assert (target / "content").read_text() == content
    assert left(tmp_path) == []


def test_what_may_belong_to_a_living_process_stays(tmp_path: Path) -> None:
    target = tmp_path / "snapshot"
    killed_at(target, "os.rename", 2)
    assert end_replacements(tmp_path) == []
    assert left(tmp_path)
    assert end_replacements(tmp_path, older_than=0.0) == [target]


def test_a_folder_of_another_kind_stays(tmp_path: Path) -> None:
    (tmp_path / ".photos-old-ones").mkdir()
    (tmp_path / ".photos-old-12345678").write_text("a file")
    assert end_replacements(tmp_path, older_than=0.0) == []
    assert len(left(tmp_path)) == 2


def write(target: Path, content: str) -> None:
    with atomic_folder(target) as folder:
        (folder / "content").write_text(content)


def test_the_next_that_is_written_removes_what_was_unfinished(tmp_path: Path) -> None:
    target = tmp_path / "export"
    killed_at(target, "os.rename", 1)
    others = [tmp_path / ".export-2-0123abcd", tmp_path / ".export-data"]
    for other in others:
        other.mkdir()
    write(target, "newer")
    assert len(list(tmp_path.glob(".export-*"))) == 4, "what is new may belong to a process that lives"
    age(tmp_path)
    write(target, "newest")
    assert {*tmp_path.iterdir()} == {target, *others}
    assert (target / "content").read_text() == "newest"


def test_the_next_that_fails_has_put_back_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "export"
    killed_at(target, "os.rename", 2)
    age(tmp_path)
    with pytest.raises(FileNotFoundError), atomic_folder(target) as folder:
        (folder / "missing" / "content").write_text("half")
    assert (target / "content").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
