"""What was read from files and is asked for again and again: read once, and again when the file is another one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

MOST = 16
T = TypeVar("T")


class OpenedFiles:
    """At most `MOST` opened things: the one unused longest makes room. Thread-safe; two threads may read one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[tuple[Path, int, int, int], Any]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, place: Path, path: Path, read: Callable[[], T]) -> T:
        """What `read` makes of a file.

        Args:
            place: names what is kept; a newer file of the same place takes the room of the older one.
            path: the file; each caller must read it the same way.

        Raises:
            OSError: there is no such file; and what `read` raises.
        """
        found = path.stat()
        stamp = (path, found.st_mtime_ns, found.st_size, found.st_ino)
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None and kept[0] == stamp:
                self._kept.move_to_end(place)
                value: T = kept[1]
                return value
        value = read()
        with self._lock:
            self._kept[place] = (stamp, value)
            self._kept.move_to_end(place)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return value
