"""A fixed amount of memory that threads share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """Lets threads in one after the other, as soon as what they will take fits beside what is taken.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._change = threading.Condition()
        self._turn = threading.Lock()

    @contextmanager
    def take(self, wanted: int) -> Iterator[None]:
        """Hold `wanted` bytes, at most the whole budget, for the length of the block."""
        amount = min(wanted, self._total)
        with self._turn, self._change:  # who came first waits alone, so that small ones do not pass a big one for ever
            self._change.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._change:
                self._free += amount
                self._change.notify_all()
