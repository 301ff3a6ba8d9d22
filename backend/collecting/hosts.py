"""Which address is asked next: gently to each host, and no host keeps the others waiting."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from backend.collecting.lists import ListedPhoto

AWAY_AFTER = 3  # failed requests in a row: the host's other addresses wait for the next run


def host_of(url: str) -> str:
    """The host that an address is asked of, with its port; "" where there is none to be made out."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


@dataclass
class _Host:
    waiting: deque[ListedPhoto] = field(default_factory=deque)
    running: int = 0
    failures: int = 0  # requests in a row that the host is at fault for
    pause: float = 0.0
    ready_at: float = 0.0
    offered: bool = False  # whether it stands in the heap


class HostQueues:
    """Addresses in a queue for each host; at most `per_host` of one are asked at a time, `pause` seconds apart.

    Times are those of a clock that the caller reads, in seconds.
    """

    def __init__(self, wanted: Iterable[ListedPhoto], per_host: int, pause: float) -> None:
        self._per_host = per_host
        self._pause = pause
        self._hosts: dict[str, _Host] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._turn = itertools.count()
        for item in wanted:
            self.add(item)

    def add(self, item: ListedPhoto) -> None:
        """Put an address at the end of its host's queue."""
        name = host_of(item.url)
        host = self._hosts.setdefault(name, _Host(pause=self._pause))
        host.waiting.append(item)
        self._offer(name)

    def take(self, now: float, wants: Callable[[ListedPhoto], bool]) -> ListedPhoto | None:
        """An address that may be asked now; `answered` must follow. Those that are not wanted leave their queue."""
        while self._ready and self._ready[0][0] <= now:
            _, _, name = heapq.heappop(self._ready)
            host = self._hosts[name]
            host.offered = False
            while host.waiting:
                item = host.waiting.popleft()
                if wants(item):
                    host.running += 1
                    host.ready_at = now + host.pause
                    self._offer(name)
                    return item
        return None

    def next_at(self) -> float | None:
        """When the next address may be asked; None: when an answer comes, or never."""
        return self._ready[0][0] if self._ready else None

    def answered(self, item: ListedPhoto, *, failed: bool | None) -> list[ListedPhoto]:
        """Note the end of a request; gives the addresses of a host that is given up, since it failed again and again.

        Args:
            failed: whether the host, not the photo, is at fault; None: that is not known yet.
        """
        name = host_of(item.url)
        host = self._hosts[name]
        host.running -= 1
        if failed is not None:
            host.failures = host.failures + 1 if failed else 0
        given_up: list[ListedPhoto] = []
        if host.failures >= AWAY_AFTER:
            given_up = list(host.waiting)
            host.waiting.clear()
            self._withdraw(name)
        self._offer(name)
        return given_up

    def slow_down(self, item: ListedPhoto, now: float, seconds: float) -> None:
        """Leave a host alone for a while: it says that it is asked too much."""
        name = host_of(item.url)
        host = self._hosts[name]
        host.ready_at = max(host.ready_at, now + seconds)
        self._withdraw(name)
        self._offer(name)

    def _withdraw(self, name: str) -> None:
        if self._hosts[name].offered:
            self._ready = [entry for entry in self._ready if entry[2] != name]
            heapq.heapify(self._ready)
            self._hosts[name].offered = False

    def _offer(self, name: str) -> None:
        host = self._hosts[name]
        if host.waiting and not host.offered and host.running < self._per_host:
            heapq.heappush(self._ready, (host.ready_at, next(self._turn), name))
            host.offered = True
