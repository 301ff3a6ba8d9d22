"""Who signed in: sessions in memory, named by a cookie that nobody can guess; they end by themselves."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from flask import Request, Response

from backend.dashboard.visitor import Visitor

COOKIE = "label_order_session"
MAX_SESSIONS = 10_000
PER_PERSON = 20


class Sessions:
    """Sessions of this process. A credential of a person is kept nowhere else, and never on disk.

    Args:
        seconds: how long one lasts.
        clock: seconds that only ever grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._open: OrderedDict[str, tuple[float, Visitor]] = OrderedDict()  # the oldest first
        self._lock = threading.Lock()

    def start(self, visitor: Visitor) -> str:
        """Open a session; the value of its cookie. The oldest of too many ends."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_ended()
            own = [name for name, (_, other) in self._open.items() if other.name == visitor.name]
            for name in own[: max(len(own) - PER_PERSON + 1, 0)]:
                del self._open[name]
            self._open[key] = (self._clock() + self._seconds, visitor)
            while len(self._open) > MAX_SESSIONS:
                self._open.popitem(last=False)
        return key

    def of(self, request: Request) -> Visitor | None:
        """Whose session a request belongs to; None: none, or one that has ended."""
        with self._lock:
            self._drop_ended()
            found = self._open.get(request.cookies.get(COOKIE, ""))
        return None if found is None else found[1]

    def end(self, request: Request) -> None:
        """End the session of a request."""
        with self._lock:
            self._open.pop(request.cookies.get(COOKIE, ""), None)

    def give(self, response: Response, key: str, *, secure: bool) -> None:
        """Hand the cookie to the browser."""
        response.set_cookie(COOKIE, key, max_age=int(self._seconds), httponly=True, samesite="Lax", secure=secure)

    def _drop_ended(self) -> None:
        now = self._clock()
        while self._open and next(iter(self._open.values()))[0] <= now:
            self._open.popitem(last=False)
