"""Faults by counting, SQLite's habit: the k-th statement of the database, call of the file system or over HTTP fails.

With a `Killer` for the counter the process dies there instead, as by `kill -9`.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from requests import ConnectionError, PreparedRequest, Response
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

# Calls that change files, by the names that the interpreter's audit gives them.
_FILE_CALLS = frozenset(("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"))


class Counter:
    """Counts what may fail; at the number `fails_at` it does, once.

    Attributes:
        seen: how many there were.
        failed: whether the fault was reached.
    """

    def __init__(self, fails_at: int) -> None:
        self.fails_at = fails_at
        self.seen = 0

    @property
    def failed(self) -> bool:
        return self.seen >= self.fails_at

    def hit(self) -> bool:
        """Count one; whether it is the one to fail."""
        self.seen += 1
        return self.seen == self.fails_at


class Killer(Counter):
    """Kills this process at the number `fails_at`."""

    def hit(self) -> bool:
        """Count one; at the one to fail it does not come back."""
        if super().hit():
            os.kill(os.getpid(), signal.SIGKILL)
        return False


@contextmanager
def database_fault(
    engine: Engine, number: int, counts: type[Counter] = Counter, *, about: str = ""
) -> Iterator[Counter]:
    """The statement of this number, or the commit in its place, fails as on a full or broken disk.

    Args:
        about: count only statements with this among their values, as the progress of a job has it.
    """
    counter = counts(number)

    def statement(_connection: Any, _cursor: Any, text: str, values: Any, *_more: Any) -> None:
        if about in str(values) and counter.hit():
            raise OperationalError(text, None, Exception("disk I/O error"))

    def commit(_connection: Any) -> None:
        if not about and counter.hit():
            raise OperationalError("COMMIT", None, Exception("database or disk is full"))

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        yield counter
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)


class FileFaults:
    """File system calls below a folder that fail on demand; one for a process, since an audit hook stays for ever."""

    def __init__(self) -> None:
        self._counter: Counter | None = None
        self._below = ""
        sys.addaudithook(self._heard)

    def _heard(self, name: str, arguments: tuple[Any, ...]) -> None:
        if self._counter is None:
            return
        writes = name == "open" and isinstance(arguments[1], str) and any(sign in arguments[1] for sign in "wxa+")
        if not (writes or name in _FILE_CALLS) or not str(arguments[0]).startswith(self._below):
            return
        if str(arguments[0]).endswith(("-wal", "-shm", "-journal", ".sqlite3")):
            return
        if self._counter.hit():
            raise OSError(errno.ENOSPC, "No space left on device")

    @contextmanager
    def fault(self, below: Path, number: int, counts: type[Counter] = Counter) -> Iterator[Counter]:
        """The writing call of this number below a folder fails."""
        counter = counts(number)
        self._below, self._counter = str(below), counter
        try:
            yield counter
        finally:
            self._counter = None


@contextmanager
def http_fault(number: int, *, answered: bool) -> Iterator[Counter]:
    """The HTTP call of this number fails as where a connection is lost.

    Args:
        answered: the call takes effect at the other end, and its answer is lost; else it never arrives.
    """
    counter = Counter(number)
    send = HTTPAdapter.send

    def faulty(adapter: HTTPAdapter, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        fails = counter.hit()
        if not fails or answered:
            response = send(adapter, request, *arguments, **options)
        if fails:
            raise ConnectionError("the connection was lost", request=request)
        return response

    HTTPAdapter.send = faulty  # type: ignore[method-assign]
    try:
        yield counter
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]
