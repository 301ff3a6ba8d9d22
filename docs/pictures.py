"""What the scripts that take this folder's pictures share."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.chromium import find_chromium

MAX_BYTES = 400_000


def chromium_or_exit() -> str:
    """Where Chromium is; without it there are no pictures."""
    found = find_chromium()
    if found is None:
        raise SystemExit("Chromium is not installed: run scripts/install-chromium.sh")
    return found


def shrink(path: Path) -> None:
    """Leave few colours in a PNG, so that it is small enough for a repository."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"docs/{path.name} has {size} bytes, more than {MAX_BYTES}: show fewer or simpler photos.")
    print(f"docs/{path.name}: {size} bytes")
