"""From the bytes of an image to RGB pixels, within bounded memory; knows nothing of addresses, models or tasks."""

from __future__ import annotations

from backend.decoding.decode import DEFAULT_MAX_PIXELS, Fit, RgbImage, decode_rgb
from backend.decoding.decoder import DEFAULT_MEMORY_MB, Decode, Decoder

__all__ = ["DEFAULT_MAX_PIXELS", "DEFAULT_MEMORY_MB", "Decode", "Decoder", "Fit", "RgbImage", "decode_rgb"]
