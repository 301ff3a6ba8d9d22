"""A real HTTP server on loopback that gives prepared answers and keeps the requests."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tests.local_server import Answer, Handler, LocalServer

__all__ = ["Answer", "Request", "ScriptedServer"]


class Request(NamedTuple):
    method: str
    path: str
    authorization: str | None
    body: bytes


class ScriptedServer(LocalServer):
    """Answers each request with the next of `answers`; the last one is repeated."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        remaining = deque(answers)
        script = self

        class ScriptHandler(Handler):
            def answer(self, body: bytes) -> Answer:
                script.requests.append(Request(self.command, self.path, self.headers.get("Authorization"), body))
                return remaining.popleft() if len(remaining) > 1 else remaining[0]

        super().__init__(ScriptHandler)
