"""The helper process: decodes one picture after the other, within a memory limit of its own, until its input ends.

It gets no settings, no environment of the parent's and no file: whatever a hostile picture makes of it, there is
nothing to be had here.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from backend.decoding.decode import decode_rgb
from backend.errors import ImageError

LENGTH = struct.Struct("<Q")


def main() -> None:
    """Serve the parent. The one argument: bytes of memory that decoding may take."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _limit_memory(int(sys.argv[1]))
    while True:
        header = _read_message(sys.stdin.buffer)
        if header is None:
            return
        _answer(json.loads(header), _read_message(sys.stdin.buffer) or b"", answers)


def _answer(asked: dict[str, Any], data: bytes, answers: BinaryIO) -> None:
    size = None if asked["size"] is None else (asked["size"][0], asked["size"][1])
    told: dict[str, Any]
    try:
        pixels = decode_rgb(data, size, fit=asked["fit"], crop=asked["crop"], max_pixels=asked["max_pixels"])
        told, content = {"shape": pixels.shape}, pixels.tobytes()
    except ImageError as error:
        told, content = {"error": str(error), "reason": error.reason}, b""
    header = json.dumps(told).encode()
    answers.write(LENGTH.pack(len(header)) + header + LENGTH.pack(len(content)))
    answers.write(content)
    answers.flush()


def _limit_memory(most: int) -> None:
    """Cap the address space `most` bytes above what is in use, and be the first to go where the machine runs short."""
    statistics = Path("/proc/self/statm")
    if not statistics.exists():  # not Linux: the size of a picture is all that bounds it there
        return
    used = int(statistics.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + most if hard == resource.RLIM_INFINITY else min(used + most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    Path("/proc/self/oom_score_adj").write_text("1000")


def _read_message(stream: BinaryIO) -> bytes | None:
    length = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(length)[0]) if len(length) == LENGTH.size else None


if __name__ == "__main__":
    main()
