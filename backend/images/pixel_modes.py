"""Every way that pixels are stored, brought to 8-bit RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

_WHITE = (255, 255, 255, 255)


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` (loaded) in mode RGB; what is transparent shows white.

    16-bit grey is scaled from [0, 65535]. Grey of 32 bits or of floats has no declared range: it is taken as
    [0, 1] (floats), [0, 255] or [0, 65535], the first that holds all of it, else stretched from its least to its
    greatest value.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I;16"):
        table = _scale(np.arange(65536), 0, 65535)
        return _grey(table[np.asarray(image)])
    if image.mode in ("I", "F"):
        return _grey(_scale_unknown_range(np.asarray(image)))
    if image.has_transparency_data:
        translucent = image.convert("RGBA")
        canvas = Image.new("RGBA", translucent.size, _WHITE)
        canvas.alpha_composite(translucent)
        return canvas.convert("RGB")
    return image.convert("RGB")


def _scale_unknown_range(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    limits = (1, 255, 65535) if np.issubdtype(values.dtype, np.floating) else (255, 65535)
    for limit in limits:
        if low >= 0 and high <= limit:
            return _scale(numbers, 0, limit)
    return _scale(numbers, low, high)


def _scale(values: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    span = high - low if high > low else 1.0
    scaled: npt.NDArray[np.float64] = np.rint((values.astype(np.float64) - low) / span * 255.0)
    return scaled.astype(np.uint8)


def _grey(values: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(values).convert("RGB")
