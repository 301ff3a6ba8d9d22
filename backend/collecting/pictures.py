"""A fetched photo as it is kept: checked whole, no larger than asked for, with a thumbnail."""

from __future__ import annotations

import io

from PIL import Image

from backend.decoding import Decode
from backend.decoding.decode import opened
from backend.errors import ImageError

THUMBNAIL = 160  # pixels, longest side
SMALLEST = 32  # pixels; smaller pictures are no photos
JPEG_QUALITY = 92

_ENDINGS = {"jpeg": ".jpg", "mpo": ".jpg", "tiff": ".tif", "dib": ".bmp"}


def kept_photo(decode: Decode, data: bytes, size: int | None) -> tuple[bytes, str]:
    """The bytes to keep and the ending of their name; what need not be scaled stays byte for byte.

    Raises:
        ImageError: `placeholder` where it is too small for a photo; `unreadable` and others where it is damaged.
    """
    with opened(data) as image:
        width, height = image.size
        form = (image.format or "jpeg").lower()
    if min(width, height) < SMALLEST:
        raise ImageError(f"{width} x {height} pixels: no photo", reason="placeholder")
    if size is not None and max(width, height) > size:
        return scaled(decode, data, size), ".jpg"
    decode(data, (SMALLEST, SMALLEST), fit="squash", crop=1.0)  # read to its end: a damaged one is not kept
    return data, _ENDINGS.get(form, f".{form}")


def scaled(decode: Decode, data: bytes, size: int) -> bytes:
    """A JPEG of the photo, upright, its longest side at most `size` pixels."""
    picture = Image.fromarray(decode(data, None, fit="squash", crop=1.0))
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
