"""The name of an image's content."""

from __future__ import annotations

import hashlib


def sha256_digest(data: bytes) -> str:
    """SHA-256 of the encoded image as 64 lower-case hexadecimal digits: the key of its stored features."""
    return hashlib.sha256(data).hexdigest()
