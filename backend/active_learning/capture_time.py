"""When a photo was taken."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PIL import ExifTags

from backend.decoding.decode import opened
from backend.errors import ImageError
from backend.folders.embedding import read_photo

_FORM = "%Y-%m-%d %H:%M:%S"


def camera_time(path: Path, max_bytes: int) -> str:
    """`2024-05-31 06:12:09` by the camera's clock; "" where the photo does not tell."""
    try:
        with opened(read_photo(path, max_bytes)) as image:
            exif = image.getexif()
            written = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(
                ExifTags.Base.DateTime
            )
        return datetime.strptime(str(written), "%Y:%m:%d %H:%M:%S").strftime(_FORM)
    except (ImageError, ValueError):
        return ""


def date_taken(path: Path, max_bytes: int) -> str:
    """`2024-05-31 06:12:09` by the camera's clock, else by the file's date."""
    return camera_time(path, max_bytes) or datetime.fromtimestamp(path.stat().st_mtime).strftime(_FORM)
