"""A real HTTP server on loopback that gives prepared answers and keeps the requests."""

from __future__ import annotations

import json
from collections import deque
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from tests.local_server import LocalServer


class Answer(NamedTuple):
    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


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

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(self.command, self.path, self.headers.get("Authorization"), self.rfile.read(length))
                script.requests.append(request)
                answer = remaining.popleft() if len(remaining) > 1 else remaining[0]
                payload = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def do_POST(self) -> None:
                self.do_GET()

            def do_PATCH(self) -> None:
                self.do_GET()

            def do_DELETE(self) -> None:
                self.do_GET()

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        super().__init__(Handler)
