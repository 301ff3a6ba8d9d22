"""Guessing passwords takes long: after some wrong ones an address waits, twice as long after each further one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE_ATTEMPTS = 10
FIRST_PAUSE = 1.0  # seconds
MAX_PAUSE = 30.0
FORGIVEN_AFTER = 600.0  # seconds without a wrong attempt
MAX_ADDRESSES = 10_000


class Throttle:
    """Counts wrong credentials by address; in memory, for one process.

    The pause is short on purpose: behind a proxy all callers have one address, and Label Studio must get in again.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address: attempts, when the last one was
        self._lock = threading.Lock()

    def pause(self, address: str) -> float:
        """Seconds that an address has to wait before its credentials are looked at; 0 = none."""
        with self._lock:
            attempts, last = self._wrong.get(address, (0, 0.0))
            past = self._clock() - last
            if attempts < FREE_ATTEMPTS or past > FORGIVEN_AFTER:
                return 0.0
            pause = min(FIRST_PAUSE * 2.0 ** min(attempts - FREE_ATTEMPTS, 10), MAX_PAUSE)
            return max(0.0, pause - past)

    def wrong(self, address: str) -> None:
        """An address sent wrong credentials."""
        now = self._clock()
        with self._lock:
            attempts, last = self._wrong.pop(address, (0, now))
            self._wrong[address] = (1 if now - last > FORGIVEN_AFTER else attempts + 1, now)
            while len(self._wrong) > MAX_ADDRESSES:
                self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        """An address sent the right ones."""
        with self._lock:
            self._wrong.pop(address, None)
