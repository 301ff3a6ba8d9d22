"""Decoding in a process of its own: a picture that takes too much memory, crashes or hangs costs only itself."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np

from backend.decoding.decode import Fit, RgbImage
from backend.decoding.helper_main import LENGTH
from backend.errors import ImageError

MAX_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parents[2]
# What the interpreter itself may need; secrets of the parent's environment stay with the parent.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL", "TMPDIR")
_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 1 << 16


class HelperProcess:
    """Decodes one picture at a time in another process, started when it is first needed and again after it died.

    Args:
        memory_bytes: what decoding may take there.
        seconds: longest time for one picture.
    """

    def __init__(self, memory_bytes: int, *, seconds: float = MAX_SECONDS) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def decode(self, data: bytes, size: tuple[int, int] | None, fit: Fit, crop: float, max_pixels: int) -> RgbImage:
        """As `decode_rgb`.

        Raises:
            ImageError: as `decode_rgb`, or `reader_died`.
        """
        asked = json.dumps({"size": size, "fit": fit, "crop": crop, "max_pixels": max_pixels}).encode()
        with self._one_at_a_time:
            process = self._running()
            deadline = time.monotonic() + self._seconds
            try:
                _send(process, asked, data)
                header = json.loads(_receive(process, deadline, _HEADER_BYTES))
                content = _receive(process, deadline, 3 * (max_pixels if size is None else size[0] * size[1]))
            except (BrokenPipeError, EOFError) as error:
                raise self._died(process, f"ended with code {process.wait()}") from error
            except TimeoutError as error:
                raise self._died(process, f"took more than {self._seconds:g} s") from error
        if "error" in header:
            raise ImageError(header["error"], reason=header["reason"])
        return np.frombuffer(content, np.uint8).reshape(header["shape"])

    @property
    def pid(self) -> int | None:
        """The process number; None before the first picture and after the helper died."""
        return None if self._process is None else self._process.pid

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            environment |= {"PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.decoding.helper_main", str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
            )
            weakref.finalize(self, _stop, self._process, os.getpid())
        return self._process

    def _died(self, process: subprocess.Popen[bytes], how: str) -> ImageError:
        _stop(process, os.getpid())
        self._process = None
        return ImageError(
            f"the process that decoded it {how}: the file is damaged or made to break decoders, "
            "or needs more memory than IMAGE_MEMORY_MB",
            reason="reader_died",
        )


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a fork of the owner has no business with it
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _send(process: subprocess.Popen[bytes], *messages: bytes) -> None:
    assert process.stdin is not None
    descriptor = process.stdin.fileno()
    for message in messages:
        for part in (LENGTH.pack(len(message)), message):
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]


def _receive(process: subprocess.Popen[bytes], deadline: float, most: int) -> bytearray:
    length = LENGTH.unpack(_exactly(process, LENGTH.size, deadline))[0]
    if length > most:  # whatever a picture made of the helper, it does not fill the parent's memory
        raise EOFError
    return _exactly(process, length, deadline)


def _exactly(process: subprocess.Popen[bytes], count: int, deadline: float) -> bytearray:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    answers = select.poll()
    answers.register(descriptor, select.POLLIN)
    received = bytearray()
    while len(received) < count:
        if not answers.poll(1000 * max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        part = os.read(descriptor, min(count - len(received), _CHUNK_BYTES))
        if not part:
            raise EOFError
        received += part
    return received
