"""The photo files that records name."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from backend.active_learning.capture_time import camera_time
from backend.decoding.decode import opened
from backend.errors import ImageError
from backend.folders.embedding import read_photo

HEAD_BYTES = 4096


def is_json_of(path: Path, bracket: bytes) -> bool:
    """Whether it is a JSON file whose document begins with this bracket, a byte order mark and blanks apart."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(bracket)


@dataclass(frozen=True)
class PhotoFiles:
    """Files below a folder; paths that lead out of it are not there."""

    root: Path
    max_bytes: int = 50_000_000

    def find(self, path: str) -> Path | None:
        """The file that a record names, or None."""
        try:
            found = (self.root / path).resolve()
            if "://" in path or not found.is_relative_to(self.root.resolve()) or not found.is_file():
                return None
        except (OSError, ValueError):  # a name that no file can have
            return None
        return self.root / path

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height in pixels as they are stored; None where the photo is not there or damaged."""
        file = self.find(path)
        if file is None:
            return None
        try:
            with opened(read_photo(file, self.max_bytes)) as image:
                width, height = image.size
        except ImageError:
            return None
        return width, height

    def taken(self, path: str) -> str:
        """When the photo was taken by the camera's clock; "" where the photo is not there or does not tell."""
        file = self.find(path)
        return "" if file is None else camera_time(file, self.max_bytes)


def place(file: Path, target: Path) -> None:
    """Put a photo into another folder: a link, or where the disk has none a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copy2(file, target)
