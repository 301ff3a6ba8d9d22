"""Images: from the value in a task to bytes, and from bytes to RGB pixels.

Knows nothing of models, nor of Label Studio beyond the addresses of its files.
"""

from __future__ import annotations

from backend.decoding import DEFAULT_MAX_PIXELS, Fit, RgbImage, decode_rgb
from backend.images.digest import sha256_digest
from backend.images.fetcher import ImageFetcher
from backend.images.local_files import find_images
from backend.images.policy import ImagePolicy

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Fit",
    "ImageFetcher",
    "ImagePolicy",
    "RgbImage",
    "decode_rgb",
    "find_images",
    "sha256_digest",
]
