from __future__ import annotations

import csv
import dataclasses
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from backend.cli.app import build_app
from backend.collecting import Fetched, FetchOptions, ListedPhoto, fetch_photos
from backend.collecting.journal import JOURNAL
from backend.collecting.kept import THUMBNAILS
from backend.errors import SettingsError
from backend.settings import Settings, load_settings
from tests.unit.collecting.photo_host import PhotoHost, photo

pytestmark = pytest.mark.unit


@pytest.fixture
def host() -> Iterator[PhotoHost]:
    server = PhotoHost()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state", allowed_hosts="127.0.0.1,localhost")


@pytest.fixture
def options(tmp_path: Path) -> FetchOptions:
    return FetchOptions(tmp_path / "photos", pause_seconds=0.0, backoff_seconds=0.01)


def nothing(done: int, total: int) -> None:
    return None


def reasons_of(found: Fetched) -> dict[str, str]:
    return {re.sub(r"^.*/x/|^.*:\d+/", "", url): reason for url, (reason, _) in found.faults.items()}


def photos_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*.*g") if THUMBNAILS not in path.parts)


def test_photos_end_in_class_folders_and_everything_else_has_its_reason(
    host: PhotoHost, settings: Settings, options: FetchOptions
) -> None:
    names = ["photo/1", "photo/2", "slow/3", "moved/4", "photo/1?again", "gone", "page", "dot", "cut", "broken"]
    wanted = [ListedPhoto(host.url(name), "a" if number % 2 else "b") for number, name in enumerate(names)]
    wanted += [ListedPhoto(host.url(f"placeholder/{number}"), "c") for number in range(4)]
    wanted += [ListedPhoto("ftp://127.0.0.1/x/1"), ListedPhoto("http://[::1/x/2"), ListedPhoto("/etc/x/passwd")]
    options = dataclasses.replace(options, size=100, thumbnails=True)
    heard: list[tuple[int, int]] = []
    found = fetch_photos(wanted, options, settings, lambda done, total: heard.append((done, total)))
    assert (found.kept, found.fetched, found.duplicates) == (4, 4, 1)
    assert reasons_of(found) == {
        "gone": "not_found",
        "page": "unreadable",
        "dot": "placeholder",
        "cut": "unreadable",
        "broken": "http_status",
        **{f"placeholder/{number}": "placeholder" for number in range(4)},
        "1": "unsupported_scheme",
        "2": "bad_address",
        "passwd": "forbidden_path",
    }
    assert heard[-1] == (len(wanted), len(wanted))
    files = photos_in(options.directory)
    assert [path.parent.name for path in files].count("c") == 0
    assert len(files) == 4
    for path in files:
        with Image.open(path) as picture:
            assert picture.size == (100, 75)
    thumbnails = options.directory / THUMBNAILS
    assert sorted(path.relative_to(thumbnails) for path in thumbnails.rglob("*.jpg")) == [
        path.relative_to(options.directory) for path in files
    ]
    assert max(host.most_at_once.values()) <= options.per_host
    # Again: only what may give another answer is asked for.
    before = Counter(host.asked)
    again = fetch_photos(wanted, options, settings, nothing)
    assert (again.kept, again.fetched) == (4, 0)
    assert host.asked - before == Counter({"/broken": 1})
    # A photo that was lost is fetched again.
    files[0].unlink()
    assert fetch_photos(wanted, options, settings, nothing).fetched == 1
    assert photos_in(options.directory) == files


def test_a_run_that_is_broken_off_goes_on(host: PhotoHost, settings: Settings, options: FetchOptions) -> None:
    wanted = [ListedPhoto(host.url(f"photo/{number}"), "a") for number in range(8)]
    options = dataclasses.replace(options, concurrent=1)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_photos(wanted, options, settings, stop)
    assert len(photos_in(options.directory)) == 3
    with (options.directory / JOURNAL).open("a", encoding="utf-8") as stream:
        stream.write("http://half/a/line,a")  # killed while it wrote
    found = fetch_photos(wanted, options, settings, nothing)
    assert (found.kept, found.fetched) == (8, 5)
    assert max(host.asked.values()) == 1
    with (options.directory / JOURNAL).open(encoding="utf-8", newline="") as stream:
        assert [row["url"] for row in csv.DictReader(stream)] == [item.url for item in wanted]


def test_a_class_gets_no_more_than_its_share(host: PhotoHost, settings: Settings, options: FetchOptions) -> None:
    wanted = [ListedPhoto(host.url(f"{'gone' if number < 2 else 'photo'}/{number}"), "a") for number in range(9)]
    options = dataclasses.replace(options, per_class=3)
    found = fetch_photos([*wanted, ListedPhoto(host.url("photo/50"), "b")], options, settings, nothing)
    assert (found.kept, found.not_needed, len(found.faults)) == (4, 4, 2)
    assert len(photos_in(options.directory / "a")) == 3
    assert sum(host.asked.values()) == 6  # no photo is fetched to be thrown away
    more = fetch_photos(wanted, dataclasses.replace(options, per_class=5), settings, nothing)
    assert (more.kept, more.fetched, more.not_needed) == (5, 2, 2)


def test_a_photo_under_three_addresses_of_different_hosts_is_no_placeholder(
    host: PhotoHost, settings: Settings, options: FetchOptions
) -> None:
    wanted = [ListedPhoto(host.url("photo/1"), "a"), ListedPhoto(host.url("photo/1", "localhost"), "b")]
    wanted.append(ListedPhoto(host.url("moved/1"), "b"))
    found = fetch_photos(wanted, options, settings, nothing)
    assert (found.kept, found.duplicates, found.faults) == (1, 2, {})
    assert photos_in(options.directory)[0].read_bytes() == photo(1)


def test_a_busy_host_is_asked_again_and_one_that_stays_away_is_left(
    host: PhotoHost, settings: Settings, options: FetchOptions
) -> None:
    host.busy = 2
    options = dataclasses.replace(options, per_host=1)
    assert fetch_photos([ListedPhoto(host.url("photo/1"))], options, settings, nothing).kept == 1
    assert host.asked == {"/photo/1": 3}
    away = [ListedPhoto(host.url(f"away/{number}", "localhost")) for number in range(9)]
    found = fetch_photos([*away, ListedPhoto(host.url("photo/2"))], options, settings, nothing)
    assert found.kept == 1
    assert set(reasons_of(found).values()) == {"unreachable"}
    assert sum("not asked" in message for _, message in found.faults.values()) == 6
    assert sum(count for path, count in host.asked.items() if path.startswith("/away")) <= 2 * 3


def test_thumbnails_may_be_asked_for_later(host: PhotoHost, settings: Settings, options: FetchOptions) -> None:
    wanted = [ListedPhoto(host.url("photo/1"), "a")]
    fetch_photos(wanted, options, settings, nothing)
    assert fetch_photos(wanted, dataclasses.replace(options, thumbnails=True), settings, nothing).fetched == 0
    (path,) = (options.directory / THUMBNAILS).rglob("*.jpg")
    with Image.open(path) as picture:
        assert picture.size == (160, 120)


def test_private_addresses_are_refused(host: PhotoHost, options: FetchOptions, tmp_path: Path) -> None:
    closed = load_settings(state_dir=tmp_path / "state")
    found = fetch_photos([ListedPhoto(host.url("photo/1"))], options, closed, nothing)
    assert [reason for reason, _ in found.faults.values()] == ["forbidden_address"]
    assert not host.asked


def test_a_folder_that_cannot_be_written_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"--directory .*file.* cannot be written"):
        fetch_photos([ListedPhoto("http://127.0.0.1/1")], FetchOptions(tmp_path / "file"), settings, nothing)


def test_the_command(host: PhotoHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "127.0.0.1")
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    arguments = ["fetch", "--urls", "-", "--directory", str(tmp_path / "photos"), "--pause", "0"]
    lines = f"url,class\n{host.url('photo/1')},fox\n{host.url('gone/1')},fox\n"
    result = CliRunner().invoke(build_app(), arguments, input=lines)
    assert result.exit_code == 0, result.output
    assert f"1 photos in {tmp_path / 'photos'}, 1 of them new; left out: 0 duplicates, 1 not_found" in result.stdout
    assert f"not_found: {host.url('gone/1')}: 127.0.0.1 has no such image (HTTP 404)" in result.stderr
    result = CliRunner().invoke(build_app(), [*arguments[:2], str(tmp_path / "none.txt"), *arguments[3:]])
    assert result.exit_code == 2
    assert "none.txt cannot be read: No such file or directory." in result.stderr
