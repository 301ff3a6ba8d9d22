"""Every way that pixels are stored, brought to 8-bit RGB a strip at a time: no copy of the whole but the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

_WHITE = (255, 255, 255, 255)
_STRIP_PIXELS = 1 << 20


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` (loaded) in mode RGB; what is transparent shows white.

    16-bit grey is scaled from [0, 65535]. Grey of 32 bits or of floats has no declared range: it is taken as
    [0, 1] (floats), [0, 255] or [0, 65535], the first that holds all of it, else stretched from its least to its
    greatest value.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    convert = _conversion(image)
    rgb = Image.new("RGB", image.size)
    for top, strip in _strips(image):
        rgb.paste(convert(strip), (0, top))
    return rgb


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(first row, strip) for strips of whole rows."""
    rows = max(1, _STRIP_PIXELS // max(image.width, 1))
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _conversion(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    if image.mode.startswith("I;16"):
        table = _scale(np.arange(65536), 0, 65535)
        return lambda strip: _grey(table[np.asarray(strip)])
    if image.mode in ("I", "F"):
        low, high = _range_of(image)
        return lambda strip: _grey(_scale(_finite(strip), low, high))
    if image.has_transparency_data:
        return _on_white
    return lambda strip: strip.convert("RGB")


def _on_white(strip: Image.Image) -> Image.Image:
    translucent = strip.convert("RGBA")
    canvas = Image.new("RGBA", translucent.size, _WHITE)
    canvas.alpha_composite(translucent)
    return canvas.convert("RGB")


def _range_of(image: Image.Image) -> tuple[float, float]:
    """What becomes black and what white, in an image whose range is not declared."""
    extremes = [(float(part.min()), float(part.max())) for part in (_finite(strip) for _, strip in _strips(image))]
    low, high = min(least for least, _ in extremes), max(most for _, most in extremes)
    limits = (1, 255, 65535) if image.mode == "F" else (255, 65535)
    for limit in limits:
        if low >= 0 and high <= limit:
            return 0, limit
    return low, high


def _finite(strip: Image.Image) -> npt.NDArray[np.float64]:
    return np.nan_to_num(np.asarray(strip).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _scale(values: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    span = high - low if high > low else 1.0
    scaled: npt.NDArray[np.float64] = np.rint((values.astype(np.float64) - low) / span * 255.0)
    return scaled.astype(np.uint8)


def _grey(values: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(values).convert("RGB")
