"""Gathering bytes without ever holding more than allowed."""

from __future__ import annotations

from collections.abc import Iterable

from backend.errors import ImageError


def too_large(max_bytes: int) -> ImageError:
    """The error for an image of more than `max_bytes` bytes."""
    return ImageError(f"larger than {max_bytes} bytes (MAX_IMAGE_BYTES)", reason="too_large")


def gather(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    """Join `chunks`, stopping at the first byte above `max_bytes`.

    Raises:
        ImageError: `too_large`.
    """
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        if len(gathered) > max_bytes:
            raise too_large(max_bytes)
    return bytes(gathered)
