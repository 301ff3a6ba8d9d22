"""Local files: below declared folders only, whatever the path looks like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import ImageError
from backend.images import ImageFetcher, ImagePolicy, find_images
from backend.images.deadline import Deadline
from backend.images.local_files import LocalFiles, _open_below

pytestmark = pytest.mark.unit

INSIDE, OUTSIDE = b"inside", b"outside"
REFUSALS = frozenset(
    ("forbidden_path", "not_found", "unreadable", "no_label_studio", "unsupported_scheme", "bad_address")
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with files and links, beside a folder that must stay closed."""
    root = tmp_path / "root"
    (root / "sub folder").mkdir(parents=True)
    (root / "a.png").write_bytes(INSIDE)
    (root / "sub folder" / "b%20c.png").write_bytes(INSIDE)
    (tmp_path / "root-secret").mkdir()
    (tmp_path / "root-secret" / "s.png").write_bytes(OUTSIDE)
    (tmp_path / "s.png").write_bytes(OUTSIDE)
    (root / "within.png").symlink_to("sub folder/b%20c.png")
    (root / "out.png").symlink_to("../s.png")
    (root / "out").symlink_to(tmp_path / "root-secret")
    (root / "circle").symlink_to("circle")
    return root


@pytest.fixture
def confined(root: Path) -> Iterator[ImageFetcher]:
    """A fetcher that may read below `root`."""
    with ImageFetcher(ImagePolicy(local_roots=(root,))) as fetcher:
        yield fetcher


def read(root: Path, value: str, **policy: int) -> bytes:
    with ImageFetcher(ImagePolicy(local_roots=(root,), **policy)) as fetcher:  # type: ignore[arg-type]
        return fetcher.fetch(value)


def reason(root: Path, value: str, **policy: int) -> str:
    with pytest.raises(ImageError) as caught:
        read(root, value, **policy)
    return caught.value.reason


@pytest.mark.parametrize(
    "form", ["{}/a.png", "file://{}/a.png", "file://localhost{}/a.png", "FILE://{}/a.png", "{}/sub folder/../a.png",
             "{}/sub folder/b%20c.png", "file://{}/sub%20folder/b%2520c.png", "{}/within.png"],
)  # fmt: skip
def test_files_below_a_root_are_read(form: str, root: Path) -> None:
    assert read(root, form.format(root)) == INSIDE


@pytest.mark.parametrize(
    "form", ["/etc/passwd", "{}/../s.png", "{}-secret/s.png", "{}/out.png", "{}/out/s.png", "{}/../no-such-file",
             "file://{}/%2e%2e/s.png", "file:///etc/passwd", "/proc/self/environ"],
)  # fmt: skip
def test_files_outside_are_refused_whether_or_not_they_exist(form: str, root: Path) -> None:
    assert reason(root, form.format(root)) == "forbidden_path"


@pytest.mark.parametrize(
    ("form", "expected"),
    [("{}/none.png", "not_found"), ("{}/a.png/b", "unreadable"), ("{}/circle", "not_found"), ("{}/\0", "not_found"),
     ("{}/sub folder", "unreadable"), ("{}/" + "x" * 300, "unreadable"), ("file://host{}/a.png", "bad_address"),
     ("file:a.png", "bad_address"), ("a.png", "unsupported_scheme"), ("../a.png", "unsupported_scheme"),
     ("//host/a.png", "unsupported_scheme"), ("", "unsupported_scheme"), ("C:\\a.png", "unsupported_scheme")],
)  # fmt: skip
def test_what_is_no_file_has_a_reason(form: str, expected: str, root: Path) -> None:
    assert reason(root, form.format(root)) == expected


@pytest.mark.parametrize("value", [None, 5, ["/a.png"], {"url": "/a.png"}])
def test_a_value_that_is_no_text_is_an_error(value: Any, confined: ImageFetcher) -> None:
    with pytest.raises(ImageError, match=f"is a {type(value).__name__}, not text") as caught:
        confined.fetch(value)
    assert caught.value.reason == "bad_address"


def test_nothing_is_read_without_roots(root: Path) -> None:
    with ImageFetcher(ImagePolicy()) as fetcher, pytest.raises(ImageError, match="LOCAL_ROOTS"):
        fetcher.fetch(str(root / "a.png"))


def test_a_root_may_itself_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    assert read(tmp_path / "alias", str(tmp_path / "alias" / "a.png")) == INSIDE


def test_the_cap_on_bytes_is_exact(root: Path) -> None:
    assert read(root, str(root / "a.png"), max_bytes=len(INSIDE)) == INSIDE
    assert reason(root, str(root / "a.png"), max_bytes=len(INSIDE) - 1) == "too_large"


def test_a_named_pipe_does_not_hold_the_thread(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    assert reason(root, str(root / "pipe.png")) == "unreadable"


def test_a_spent_deadline_stops_reading(root: Path) -> None:
    with pytest.raises(ImageError) as caught:
        LocalFiles([root]).read(root / "a.png", max_bytes=100, deadline=Deadline(0))
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("relative", ["out.png", "out/s.png"])
def test_links_put_there_after_the_check_are_not_followed(relative: str, root: Path) -> None:
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        _open_below(root, Path(relative))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "a.png", "sub folder", "out", "out.png", "s.png", "root", "root-secret", "%2e%2e", "..%2f", "within.png"])
        | st.text(max_size=4),
        max_size=7,
    ),
    st.sampled_from(["{root}/{path}", "file://{root}/{path}", "/data/local-files/?d={path}", "/{path}", "file:///{path}"]),
)  # fmt: skip
def test_no_path_leads_out_of_the_root(root: Path, confined: ImageFetcher, parts: list[str], form: str) -> None:
    value = form.format(root=root, path="/".join(parts))
    try:
        found = confined.fetch(value)
    except ImageError as error:
        found = INSIDE if error.reason in REFUSALS else error.reason.encode()
    assert found == INSIDE


def test_find_images_is_recursive_sorted_and_skips_what_is_hidden(root: Path) -> None:
    for name in ("z.JPEG", "B.webp", "notes.txt", ".hidden.png", "c.tif"):
        (root / "sub folder" / name).write_bytes(b"")
    (root / ".cache").mkdir()
    (root / ".cache" / "thumb.png").write_bytes(b"")
    (root / "folder.png").mkdir()
    (root / "folder.png" / "d.gif").write_bytes(b"")
    (root / "broken.png").symlink_to("nowhere")
    found = [path.relative_to(root).as_posix() for path in find_images(root)]
    assert found == [
        "a.png", "folder.png/d.gif", "out.png", "sub folder/B.webp", "sub folder/b%20c.png", "sub folder/c.tif",
        "sub folder/z.JPEG", "within.png",
    ]  # fmt: skip


def test_find_images_needs_a_folder(root: Path) -> None:
    with pytest.raises(ImageError, match="no such folder") as caught:
        find_images(root / "none")
    assert caught.value.reason == "not_found"
