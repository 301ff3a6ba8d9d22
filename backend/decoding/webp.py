"""The size that a WebP file states: Pillow's decoder takes memory for the whole picture as soon as it opens one."""

from __future__ import annotations

import struct

_SHAPES = {b"VP8 ": (26, "<HH"), b"VP8L": (21, "<I"), b"VP8X": (24, "<IH")}


def webp_shape(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header of a WebP file states; None where it is no WebP, or its header is damaged."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or data[12:16] not in _SHAPES:
        return None
    offset, form = _SHAPES[data[12:16]]
    try:
        numbers = struct.unpack_from(form, data, offset)
    except struct.error:
        return None
    if form == "<HH":
        return numbers[0] & 0x3FFF, numbers[1] & 0x3FFF
    if form == "<I":
        return (numbers[0] & 0x3FFF) + 1, (numbers[0] >> 14 & 0x3FFF) + 1
    return (numbers[0] & 0xFFFFFF) + 1, (numbers[0] >> 24 | numbers[1] << 8) + 1
