"""Image files on this machine, only ever below declared folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from backend.errors import ImageError
from backend.images.deadline import Deadline
from backend.images.size_cap import gather, too_large

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif")
)
_CHUNK_BYTES = 1 << 20


def find_images(directory: Path) -> list[Path]:
    """All image files below `directory`, by their suffix, sorted by path; hidden files and folders are left out.

    Symbolic links to files are followed, those to folders are not (they may form a circle).

    Raises:
        ImageError: `not_found`, when `directory` is not a folder.
    """
    if not directory.is_dir():
        raise ImageError(f"{directory}: no such folder", reason="not_found")
    found: list[Path] = []
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths = (Path(folder, name) for name in names if not name.startswith("."))
        found.extend(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted(found)


class LocalFiles:
    """Reads files below `roots`, wherever symbolic links lead."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(root.resolve() for root in roots)

    def find(self, relative: str) -> Path | None:
        """The file named `relative` below the first root that really holds it, or None."""
        for root in self._roots:
            try:
                path = (root / relative).resolve()
                if path.is_relative_to(root) and path.is_file():
                    return path
            except (OSError, RuntimeError, ValueError):  # name too long, circular links, NUL in the name
                continue
        return None

    def read(self, path: Path, *, max_bytes: int, deadline: Deadline) -> bytes:
        """The content of the absolute `path`.

        Raises:
            ImageError: `forbidden_path` outside the roots (whether or not it exists), `not_found`, `too_large`,
                `timeout`, `unreadable`.
        """
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise ImageError(f"not a readable path ({error})", reason="not_found") from error
        root = next((root for root in self._roots if resolved.is_relative_to(root)), None)
        if root is None:
            raise ImageError(
                "outside the folders that may be read; add its folder to LOCAL_ROOTS", reason="forbidden_path"
            )
        try:
            descriptor = _open_below(root, resolved.relative_to(root))
        except FileNotFoundError as error:
            raise ImageError("no such file", reason="not_found") from error
        except OSError as error:
            raise ImageError(f"cannot be opened ({error.strerror})", reason="unreadable") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("not a file", reason="unreadable")
            if status.st_size > max_bytes:
                raise too_large(max_bytes)
            return gather(_chunks(descriptor, deadline), max_bytes)
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror})", reason="unreadable") from error
        finally:
            os.close(descriptor)


def _open_below(root: Path, relative: Path) -> int:
    """Open `relative` (free of links) folder by folder, so that no link put there meanwhile leads out of `root`."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # non-blocking: a named pipe must not hold the thread
    current = os.open(root, flags | os.O_DIRECTORY)
    for index, part in enumerate(relative.parts):
        folder = os.O_DIRECTORY if index < len(relative.parts) - 1 else 0
        try:
            following = os.open(part, flags | folder | os.O_NOFOLLOW, dir_fd=current)
        finally:
            os.close(current)
        current = following
    return current


def _chunks(descriptor: int, deadline: Deadline) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        yield chunk
        deadline.remaining()
