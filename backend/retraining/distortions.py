"""Distorted copies of training photos: mirrored, cut, enlarged, brighter or darker, as TensorFlow for Poets made them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from backend.decoding import Decode
from backend.retraining.options import Distortions


def distorted_digest(digest: str, distortions: Distortions, variant: int) -> str:
    """The name under which the embedding of a distorted copy is kept: hex sha-256, the same for the same copy."""
    return hashlib.sha256(f"{digest} {distortions} {variant}".encode()).hexdigest()


def distorted_photo(
    read: Callable[[], bytes], digest: str, distortions: Distortions, variant: int, decode: Decode, size: int
) -> bytes:
    """A distorted copy of the photo that `read` gives, encoded; drawn by the photo's digest and the variant.

    Args:
        size: what the network looks at; the copy is made twice as large.

    Raises:
        ImageError: the photo cannot be read.
    """
    pixels = decode(read(), (2 * size, 2 * size), fit="squash", crop=1.0)
    rng = np.random.default_rng([int(digest[:8], 16), variant])
    changed = distort(Image.fromarray(pixels), distortions, rng)
    buffer = io.BytesIO()
    changed.save(buffer, format="BMP")
    return buffer.getvalue()


def distort(image: Image.Image, distortions: Distortions, rng: np.random.Generator) -> Image.Image:
    """One random change of `image`; its size stays."""
    width, height = image.size
    kept = 1 / ((1 + distortions.random_crop / 100) * (1 + rng.uniform(0, distortions.random_scale / 100)))
    left, top = rng.uniform(0, (1 - kept) * width), rng.uniform(0, (1 - kept) * height)
    box = (left, top, left + kept * width, top + kept * height)
    image = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
    if distortions.flip_left_right and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if distortions.random_brightness:
        share = distortions.random_brightness / 100
        factor = rng.uniform(1 - share, 1 + share)
        image = image.point(lambda value: min(255, round(value * factor)))
    return image
