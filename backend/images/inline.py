"""Images written into the task itself as `data:` URIs (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from backend.errors import ImageError
from backend.images.size_cap import too_large

_WHITESPACE = re.compile(rb"\s+")


def decode_data_uri(value: str, max_bytes: int) -> bytes:
    """The bytes of the `data:` URI `value`.

    Raises:
        ImageError: `unreadable` if it is not well formed, `too_large` above `max_bytes`.
    """
    header, comma, payload = value.partition(",")
    if not comma:
        raise ImageError("a data: URI needs a comma before its content", reason="unreadable")
    # Percent-encoding takes at most three characters for a byte, base64 less: refuse before decoding.
    if len(payload) > 3 * max_bytes + 16:
        raise too_large(max_bytes)
    data = unquote_to_bytes(payload)
    if header.lower().endswith(";base64"):
        data = _decode_base64(data)
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    return data


def _decode_base64(encoded: bytes) -> bytes:
    compact = _WHITESPACE.sub(b"", encoded).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except binascii.Error as error:
        raise ImageError(f"the base64 of the data: URI is damaged ({error})", reason="unreadable") from error
