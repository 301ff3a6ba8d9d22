"""Asking Label Studio about people: by few threads at once, each question by one of them, answers kept for a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from backend.errors import BusyError, LabelStudioError

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBERED_SECONDS = 60.0
"""How long an answer of Label Studio's is taken for true: so long a role that was taken away may still act."""

WHILE_ASKED_SECONDS = 15.0
"""How much longer, while one thread asks anew: the others need not wait for it."""

FAILURE_SECONDS = 5.0
"""How long a failure is remembered: who asks meanwhile would wait for the same."""

MOST_KEPT = 500
WAIT_SECONDS = 15.0


class Askings:
    """How many threads may wait for Label Studio at once because of people: the others stay free for machines.

    Args:
        most: threads.
    """

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be one of them.

        Raises:
            BusyError: there are enough.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError("Label Studio is being asked about too many people now: try again in some seconds.")
        try:
            yield
        finally:
            self._free.release()


@dataclass(frozen=True)
class _Kept(Generic[Value]):
    until: float
    value: Value | None
    error: tuple[str, str] | None = None

    def outcome(self) -> Value:
        if self.error is not None:  # another error each time: one that is raised twice keeps the frames of both
            raise LabelStudioError(self.error[0], reason=self.error[1])
        return self.value  # type: ignore[return-value]


class Answers(Generic[Key, Value]):
    """Answers by key. Thread-safe: nothing is locked while Label Studio is asked.

    Args:
        ask: one question; it may raise LabelStudioError.
        askings: the threads that may wait.
        clock: seconds that only ever grow.
    """

    def __init__(
        self, ask: Callable[[Key], Value], askings: Askings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._askings = askings
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept[Value]] = OrderedDict()  # the one asked longest ago first
        self._asked: dict[Key, threading.Event] = {}
        self._lock = threading.Lock()

    def of(self, key: Key) -> Value:
        """The answer for a key, asked for where none is kept.

        Raises:
            LabelStudioError: as Label Studio fails, or failed just now.
            BusyError: too many threads wait for it.
        """
        with self._lock:
            kept = self._current(key, being_asked=key in self._asked)
        if kept is None:
            with self._askings.place():  # who waits for another's question holds a thread as well
                kept = self._new(key)
        return kept.outcome()

    def _current(self, key: Key, *, being_asked: bool = False) -> _Kept[Value] | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        more = WHILE_ASKED_SECONDS if being_asked and kept.error is None else 0.0
        return kept if self._clock() <= kept.until + more else None

    def _new(self, key: Key) -> _Kept[Value]:
        with self._lock:
            kept = self._current(key)
            if kept is not None:  # somebody was faster
                return kept
            other = self._asked.get(key)
            done = self._asked.setdefault(key, threading.Event())
        if other is not None:
            other.wait(WAIT_SECONDS)
            with self._lock:
                kept = self._current(key)
            if kept is None:
                raise LabelStudioError("Label Studio did not answer in time.", reason="label_studio_timeout")
            return kept
        try:
            kept = self._answered(key)
            with self._lock:
                self._kept[key] = kept
                self._kept.move_to_end(key)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        finally:
            with self._lock:
                del self._asked[key]
            done.set()
        return kept

    def _answered(self, key: Key) -> _Kept[Value]:
        try:
            return _Kept(value=self._ask(key), until=self._clock() + REMEMBERED_SECONDS)
        except LabelStudioError as error:
            return _Kept(until=self._clock() + FAILURE_SECONDS, value=None, error=(str(error), error.reason))
