"""Pictures of a few kilobytes that take gigabytes to decode, written by hand: no encoder has to hold their pixels."""

from __future__ import annotations

import struct
import zlib


def lossless_webp(width: int, height: int) -> bytes:
    """An RGBA WebP of one colour: each of its five prefix codes has a single symbol, so no pixel takes a bit."""
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend((value >> place) & 1 for place in range(count))

    put(width - 1, 14)
    put(height - 1, 14)
    put(1, 1)  # alpha is used
    put(0, 3)  # version
    put(0, 1)  # no transform
    put(0, 1)  # no colour cache
    put(0, 1)  # one group of prefix codes
    for symbol in (120, 80, 40, 128, 0):  # green, red, blue, alpha, distance
        put(1, 1)  # a simple code
        put(0, 1)  # of one symbol
        put(1, 1)  # that has 8 bits
        put(symbol, 8)
    bits.extend([0] * (-len(bits) % 8))
    coded = bytes(sum(bit << place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))
    chunk = b"\x2f" + coded
    chunk += b"\0" * (len(chunk) % 2)
    body = b"WEBPVP8L" + struct.pack("<I", len(chunk)) + chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(width: int, height: int, mode: str) -> bytes:
    """A deflated TIFF of 32-bit integers ("I") or floats ("F") all of whose strips are the same bytes of the file."""
    rows = 8
    strips = -(-height // rows)
    strip = zlib.compress(bytes(width * rows * 4), 9)
    data_at = 8
    offsets_at = data_at + len(strip) + len(strip) % 2
    counts_at = offsets_at + 4 * strips
    directory_at = counts_at + 4 * strips
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 32),  # bits of a sample
        (259, 3, 1, 8),  # deflate
        (262, 3, 1, 1),  # black is zero
        (273, 4, strips, offsets_at),
        (277, 3, 1, 1),  # one sample a pixel
        (278, 4, 1, rows),
        (279, 4, strips, counts_at),
        (339, 3, 1, {"I": 2, "F": 3}[mode]),  # signed integers, floats
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return (
        b"II*\0"
        + struct.pack("<I", directory_at)
        + strip
        + bytes(len(strip) % 2)
        + struct.pack(f"<{strips}I", *[data_at] * strips)
        + struct.pack(f"<{strips}I", *[len(strip)] * strips)
        + directory
    )


def png(width: int, height: int, channels: int = 4, bits: int = 8) -> bytes:
    """A PNG of zeros, RGBA unless told; 16 bits a channel on request."""
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    packer = zlib.compressobj(1)
    row = bytes(1 + width * channels * bits // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
