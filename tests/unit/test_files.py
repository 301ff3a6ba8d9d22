from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backend.files import atomic_file, atomic_folder, replace_path, write_atomically
from tests.unit.service.faults import FileFaults

pytestmark = pytest.mark.unit

FILES = FileFaults()


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "below" / "figures.json"
    with atomic_file(target, durable=durable) as stream:
        stream.write(b"old")
        assert not target.exists()
    assert target.read_bytes() == b"old"
    with atomic_file(target, durable=durable) as stream:
        stream.write(b"new, longer")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new, longer"
    assert [path.name for path in target.parent.iterdir()] == ["figures.json"]


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "kept.txt"
    write_atomically(target, "kept ü")
    with pytest.raises(TypeError), atomic_file(target) as stream:
        stream.writelines([b"half", None])  # type: ignore[list-item]
    assert target.read_text(encoding="utf-8") == "kept ü"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_being_written_is_no_file_of_its_kind(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.json") as stream:
        stream.write(b"{")
        assert list(tmp_path.glob("*.json")) == []


def test_many_writers_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "shared"
    contents = [bytes([letter]) * 100_000 for letter in b"abcdefgh"]
    threads = [threading.Thread(target=write_atomically, args=(target, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("durable", [False, True])
def test_a_folder_replaces_the_older_one_as_a_whole(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "head-1"
    for content in ("one", "two"):
        with atomic_folder(target, durable=durable) as folder:
            (folder / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["two"]
    with pytest.raises(FileNotFoundError), atomic_folder(target) as folder:
        (folder / "missing" / "half").write_text("half")
    assert [path.name for path in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_takes_the_place_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    for content in ("first", "second"):
        (tmp_path / "made").write_text(content)
        replace_path(tmp_path / "made", target)
        assert target.read_text() == content
    assert list(tmp_path.iterdir()) == [target]


def test_a_fault_of_the_disk_leaves_a_folder_as_it_was(tmp_path: Path) -> None:
    """The k-th change of the file system fails, k = 1, 2, 3 …: an export is the old one or the new one, whole."""
    target = tmp_path / "export"
    faults = 0
    for number in (0, *range(1, 50)):  # 0: none fails, and there is something to lose
        with FILES.fault(tmp_path, number) as counter:
            try:
                with atomic_folder(target) as temporary:
                    for name in ("model", "labels.txt", "card"):
                        write_atomically(temporary / name, str(number))
            except OSError:
                assert 0 < number <= counter.seen
                faults += 1
        contents = {path.name: path.read_text() for path in target.iterdir()}
        assert contents.keys() == {"model", "labels.txt", "card"}
        assert len({*contents.values()}) == 1, "a mixture of two exports"
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["export"]
        if number > counter.seen:
            assert contents["model"] == str(number)
            assert faults >= 8
            return
    raise AssertionError("it never passed")
