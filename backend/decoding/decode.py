"""From an encoded image to the RGB array that a model takes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from backend.decoding.pixel_modes import to_rgb
from backend.decoding.webp import webp_shape
from backend.errors import ImageError

Fit = Literal["squash", "center_crop"]
RgbImage = npt.NDArray[np.uint8]

DEFAULT_MAX_PIXELS = 50_000_000

# Only formats that photos come in: each further parser is a way in for hostile files.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF")
# JPEG is decoded at 1/2, 1/4 or 1/8 only as far as this many times the target remains for the antialiased resize.
_DRAFT_MARGIN = 2.0
_REDUCING_GAP = 3.0
# What Pillow's parsers raise on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# Orientations whose stored rows are the columns of the upright picture.
_TURNED = frozenset((5, 6, 7, 8))
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The limit on pixels is the caller's, checked before any pixel is decoded; Pillow's own would cut in below it.
Image.MAX_IMAGE_PIXELS = None


def decode_rgb(
    data: bytes,
    size: tuple[int, int] | None,
    *,
    fit: Fit = "squash",
    crop: float = 1.0,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> RgbImage:
    """Decode an image upright, over white where it is transparent, its first frame if it has several.

    JPEG is scaled while it is decoded. Pillow lets go of the interpreter lock, so threads decode side by side.

    Args:
        data: the encoded image: JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, of any colour mode and depth.
        size: (width, height) in pixels of the result; None keeps the image's own.
        fit: `squash` scales both sides alone; `center_crop` first cuts the largest centred rectangle of the
            shape of `size`. Without `size` it has no effect.
        crop: in (0, 1], the share of the `center_crop` rectangle's sides that is kept, e.g. 0.875.
        max_pixels: largest image, width x height.

    Returns:
        uint8 (height, width, 3), writable, RGB in [0, 255].

    Raises:
        ImageError: `too_many_pixels`, `too_much_memory`, or `unreadable` for anything but a whole image of these formats.
        ValueError: `size`, `fit` or `crop` is none of the above.
    """
    if size is not None and min(size) < 1:
        raise ValueError(f"size must be positive, not {size}")
    if fit not in ("squash", "center_crop"):
        raise ValueError(f"fit must be squash or center_crop, not {fit!r}")
    if not 0 < crop <= 1:
        raise ValueError(f"crop must lie in (0, 1], not {crop}")
    shape = webp_shape(data)
    if shape is not None:
        check_pixels(*shape, max_pixels)
    with opened(data) as image:
        check_pixels(*image.size, max_pixels)
        return _decode(image, size, fit, crop)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """An image whose header is read; what goes wrong in the block says so as an error of the image.

    Raises:
        ImageError: `unreadable`, or `too_much_memory`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image of a known format; {_what_it_is(data)}", reason="unreadable") from error
    except MemoryError as error:
        raise ImageError(
            "decoding it takes more memory than there is for images (IMAGE_MEMORY_MB)", reason="too_much_memory"
        ) from error
    except _DAMAGE as error:
        raise ImageError(f"the image is damaged or cut short ({error})", reason="unreadable") from error


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture of too many pixels.

    Raises:
        ImageError: `too_many_pixels`.
    """
    if width * height > max_pixels:
        raise ImageError(
            f"{width} x {height} pixels, more than {max_pixels} (MAX_IMAGE_PIXELS)", reason="too_many_pixels"
        )


def draft(image: Image.Image, size: tuple[int, int], crop: float) -> None:
    """Have a JPEG scaled while it is decoded, as far as `size` allows; other formats stay as they are."""
    stored = size[::-1] if _orientation(image) in _TURNED else size
    # Scaling by DCT keeps the shape, so the smaller ratio of both sides decides, whatever the fit.
    image.draft("RGB", (round(stored[0] * _DRAFT_MARGIN / crop), round(stored[1] * _DRAFT_MARGIN / crop)))


def _decode(image: Image.Image, size: tuple[int, int] | None, fit: Fit, crop: float) -> RgbImage:
    if size is not None:
        draft(image, size, crop)
    image.load()
    orientation = _orientation(image)  # again: Pillow turns TIFFs upright while loading, and says so here
    rgb = to_rgb(image)
    if size is not None:
        stored = size[::-1] if orientation in _TURNED else size
        box = _centred_box(rgb.size, stored, crop) if fit == "center_crop" else None
        rgb = rgb.resize(stored, Image.Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP)
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    return np.array(rgb, dtype=np.uint8)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (upright) where there is none or EXIF is damaged: the picture itself may be fine."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return value if isinstance(value, int) else 1


def _centred_box(have: tuple[int, int], want: tuple[int, int], crop: float) -> tuple[float, float, float, float]:
    scale = min(have[0] / want[0], have[1] / want[1]) * crop
    width, height = want[0] * scale, want[1] * scale
    left, top = (have[0] - width) / 2, (have[1] - height) / 2
    return (max(left, 0.0), max(top, 0.0), min(left + width, have[0]), min(top + height, have[1]))


def _what_it_is(data: bytes) -> str:
    start = data[:256].lstrip().lower()
    if not data:
        return "it is empty"
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "it is a web page"
    if b"<svg" in start or start.startswith(b"<?xml"):
        return "it is SVG or XML; convert it to PNG"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc"):
        return "it is HEIC; convert it to JPEG"
    if start.startswith(b"%pdf"):
        return "it is PDF; convert its pages to images"
    return "readable are JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF"
