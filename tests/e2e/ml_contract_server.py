"""A small HTTP server that speaks Label Studio's ML backend contract, and keeps what it was sent."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.local_server import Answer, Handler, LocalServer


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

        class ContractHandler(Handler):
            def answer(self, body: bytes) -> Answer:
                request = Received(self.path, json.loads(body or b"{}"), dict(self.headers))
                contract.received.append(request)
                status, answer = contract.answer(self.path, request.body, self.headers.get("Authorization"))
                return Answer(status, answer, (("Content-Type", "application/json"),))

        super().__init__(ContractHandler)

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
