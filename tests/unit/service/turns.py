"""Several actors in threads, of which one runs at a time, from one transaction or call over HTTP to its next one.

A schedule says whose turn it is, so that what happens between two processes by chance once a year happens in a test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine, event

SECONDS = 120.0  # then an actor waits for one that is not its turn: the test fails instead of hanging
TO_THE_END = 10**6

Schedule = Sequence[tuple[str, int]]  # actor, and how many steps


class Turns:
    """Lets actors run by a schedule.

    Attributes:
        steps: how many each actor took.
    """

    def __init__(self, actors: Mapping[str, Callable[[], None]]) -> None:
        self._actors = dict(actors)
        self._names: dict[int, str] = {}
        self._turn: str | None = None
        self._changed = threading.Condition()
        self._ended: set[str] = set()
        self._errors: list[BaseException] = []
        self.steps = dict.fromkeys(actors, 0)

    def run(self, schedule: Schedule, engines: Sequence[Engine]) -> None:
        """Run the schedule, then what is left of each actor, in their order."""
        threads = [threading.Thread(target=self._act, args=(name,), daemon=True) for name in self._actors]
        with self._hooks(engines):
            for thread in threads:
                thread.start()
            for name, count in [*schedule, *((name, TO_THE_END) for name in self._actors)]:
                for _ in range(count):
                    if name in self._ended:
                        break
                    self._step(name)
            for thread in threads:
                thread.join(SECONDS)
        if self._errors:
            raise self._errors[0]

    def _step(self, name: str) -> None:
        with self._changed:
            self._turn = name
            self.steps[name] += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._turn is None, SECONDS), f"{name} waits for another actor"

    def _act(self, name: str) -> None:
        self._names[threading.get_ident()] = name
        with self._changed:
            self._changed.wait_for(lambda: self._turn == name)
        try:
            self._actors[name]()
        except BaseException as error:  # noqa: BLE001 - raised again by `run`, in the test's thread
            self._errors.append(error)
        del self._names[threading.get_ident()]
        with self._changed:
            self._ended.add(name)
            self._turn = None
            self._changed.notify_all()

    def _pause(self, *_: Any) -> None:
        """Give the turn back, and wait for the next; only what an actor does itself, not the threads it started."""
        name = self._names.get(threading.get_ident())
        if name is None:
            return
        with self._changed:
            self._turn = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == name)

    @contextmanager
    def _hooks(self, engines: Sequence[Engine]) -> Iterator[None]:
        send = HTTPAdapter.send

        def paused(adapter: HTTPAdapter, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
            self._pause()
            return send(adapter, request, *arguments, **options)

        for engine in engines:
            event.listen(engine, "begin", self._pause)
        HTTPAdapter.send = paused  # type: ignore[method-assign]
        try:
            yield
        finally:
            HTTPAdapter.send = send  # type: ignore[method-assign]
            for engine in engines:
                event.remove(engine, "begin", self._pause)
