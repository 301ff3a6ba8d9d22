"""An HTTP server on a free port of this machine, for as long as a `with` lasts."""

from __future__ import annotations

import json
import threading
from abc import abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Answer(NamedTuple):
    """What a server answers; a body that is not bytes goes out as JSON."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


class Handler(BaseHTTPRequestHandler):
    """Answers a request of whatever method by `answer`, and says nothing on standard error."""

    @abstractmethod
    def answer(self, body: bytes) -> Answer:
        """The answer to a request with this body."""

    def do_GET(self) -> None:
        status, body, headers = self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
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

    def do_OPTIONS(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


class LocalServer:
    """Runs `handler` in threads; a test's server inherits from it and says what it answers."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
