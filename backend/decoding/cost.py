"""What decoding an image will take, read from its header before a pixel is decoded."""

from __future__ import annotations

from PIL import Image

from backend.decoding.decode import check_pixels, draft, opened
from backend.decoding.webp import webp_shape

# Bytes a pixel at the peak, measured on pictures of 12 megapixels from a file to 260 x 260 and rounded up.
_BYTES_PER_PIXEL = {"WEBP": 20, "TIFF": 14, "PNG": 10, "AVIF": 12, "GIF": 7, "BMP": 7, "DIB": 7, "JPEG": 8}
_COEFFICIENT_BYTES = 2  # of each component of each pixel, where a JPEG has several scans
_TILE_SIZES = (322, 323)  # tags of a TIFF
_WHOLE_RESULT_BYTES = 8  # a pixel, where the picture is wanted at its own size


def decode_cost(data: bytes, size: tuple[int, int] | None, crop: float, max_pixels: int) -> int:
    """Bytes of memory that decoding `data` to `size` takes at its peak, at most; the arguments are `decode_rgb`'s.

    Raises:
        ImageError: `too_many_pixels`, or `unreadable` where not even the header can be read.
    """
    shape = webp_shape(data)
    if shape is not None:  # Pillow's decoder takes memory for the whole picture when it opens one
        check_pixels(*shape, max_pixels)
        return _of_pixels("WEBP", shape[0] * shape[1], size)
    with opened(data) as image:
        check_pixels(*image.size, max_pixels)
        whole = image.width * image.height
        kind = image.format or ""
        if kind == "TIFF":
            across, down = (int(image.tag_v2.get(tag, 0)) for tag in _TILE_SIZES)  # type: ignore[attr-defined]
            check_pixels(across, down, max_pixels)
            return _of_pixels(kind, max(image.width, across) * max(image.height, down), size)
        if kind != "JPEG":
            return _of_pixels(kind, whole, size)
        components = len(image.getbands())
        if size is not None:
            draft(image, size, crop)
        cost = _of_pixels(kind, image.width * image.height, size)
        return cost + (whole * components * _COEFFICIENT_BYTES if _in_several_scans(data, image) else 0)


def _of_pixels(kind: str, pixels: int, size: tuple[int, int] | None) -> int:
    most = max(_BYTES_PER_PIXEL.values())
    return pixels * (_BYTES_PER_PIXEL.get(kind, most) + (_WHOLE_RESULT_BYTES if size is None else 0))


def _in_several_scans(data: bytes, image: Image.Image) -> bool:
    """Whether a JPEG's components come one after the other, so that all coefficients wait in memory."""
    if image.info.get("progressive"):
        return True
    place = 2
    while place + 4 < len(data) and data[place] == 0xFF:
        if data[place + 1] == 0xDA:  # the start of the first scan
            return data[place + 4] < len(image.getbands())
        place += 1 if data[place + 1] == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return True  # markers that are not where they should be: better reckoned too high
