"""A real HTTP server that knows people as Label Studio does, and fails or keeps silent when a test wants it to."""

from __future__ import annotations

import socket
import threading

from tests.local_server import Answer, Handler, LocalServer

PERSON = "ann@example.com"


class PeopleServer(LocalServer):
    """Takes every token; keeps connections open for as long as the caller does.

    Attributes:
        asked: method and path of each request.
        connected: connections that are open.
        answers: by the end of the path, what is answered instead.
        writes: whether the person may change projects.
        talks: cleared, nothing is answered until it is set.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.connected: set[socket.socket] = set()
        self.answers: dict[str, Answer] = {}
        self.writes = True
        self.talks = threading.Event()
        self.talks.set()
        server = self

        class PeopleHandler(Handler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server.connected.add(self.connection)

            def finish(self) -> None:
                server.connected.discard(self.connection)
                super().finish()

            def answer(self, body: bytes) -> Answer:
                path = self.path.partition("?")[0]
                server.asked.append(f"{self.command} {path}")
                server.talks.wait(60)
                for end, answer in server.answers.items():
                    if path.endswith(end):
                        return answer
                if path == "/api/current-user/whoami":
                    return Answer(200, {"id": 1, "email": PERSON})
                if path == "/api/projects/":
                    return Answer(200, {"results": [{"id": 7}, {"id": 8}], "next": None})
                if self.command == "OPTIONS":
                    return Answer(200, {"actions": {"PUT": {}} if server.writes else {}})
                return Answer(200, {"id": 7})

        super().__init__(PeopleHandler)
