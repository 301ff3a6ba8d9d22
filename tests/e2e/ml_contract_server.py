"""A small HTTP server that speaks Label Studio's ML backend contract, and keeps what it was sent."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.local_server import LocalServer


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


class MlContractServer(LocalServer):
    """`required_auth` and `setup_status` may be changed while it runs."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.required_auth: tuple[str, str] | None = None
        self.setup_status = 200
        contract = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self._answer(json.loads(self.rfile.read(length) or b"{}"))

            def _answer(self, body: dict[str, Any]) -> None:
                contract.received.append(Received(self.path, body, dict(self.headers)))
                status, answer = contract.answer(self.path, body, self.headers.get("Authorization"))
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        super().__init__(Handler)

    def answer(self, path: str, body: dict[str, Any], authorization: str | None) -> tuple[int, dict[str, Any]]:
        if self.required_auth is not None and path != "/webhook":
            expected = "Basic " + base64.b64encode(":".join(self.required_auth).encode()).decode()
            if authorization != expected:
                return 401, {"error": "authentication needed"}
        answers: dict[str, tuple[int, dict[str, Any]]] = {
            "/health": (200, {"status": "UP"}),
            "/setup": (self.setup_status, {"model_version": "contract"}),
            "/versions": (200, {"versions": ["contract"]}),
            "/predict": (200, {"results": [[] for _ in body.get("tasks", [])]}),
            "/webhook": (200, {}),
        }
        return answers.get(path, (404, {"error": "not found"}))

    def events(self, action: str) -> list[Received]:
        """The webhooks received of one action."""
        return [request for request in self.received if request.body.get("action") == action]
