"""A web server as lists of addresses meet it: slow, broken, redirecting, busy; it counts what it is asked."""

from __future__ import annotations

import io
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def photo(seed: int, width: int = 400, height: int = 300) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 20, width // 20, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


class PhotoHost(ThreadingHTTPServer):
    """Answers by the first word of the path: `photo/3` is the third photo, `moved/3` leads to it, and so on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.busy = 0  # so many requests are answered with 503
        self.port = self.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"


class _Answers(BaseHTTPRequestHandler):
    server: PhotoHost

    def do_GET(self) -> None:
        host, name = self.server, self.headers["Host"]
        with host.lock:
            host.asked[self.path] += 1
            host.at_once[name] += 1
            host.most_at_once[name] = max(host.most_at_once[name], host.at_once[name])
        try:
            self.answer(*self.path.strip("/").split("/"))
        finally:
            with host.lock:
                host.at_once[name] -= 1

    def answer(self, kind: str, number: str = "0") -> None:
        number = number.partition("?")[0]
        with self.server.lock:
            busy = self.server.busy > 0
            self.server.busy -= busy
        if busy:
            self.send_error(503)
        elif kind == "gone":
            self.send_error(404)
        elif kind == "broken":
            self.send_error(500)
        elif kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/photo/{number}")
            self.end_headers()
        elif kind == "away":
            self.close_connection = True  # without a word
        else:
            if kind == "slow":
                threading.Event().wait(0.3)
            bodies = {
                "page": b"<html>no photo</html>",
                "dot": photo(99, 20, 20),
                "cut": photo(98)[:400],
                "placeholder": photo(97),
            }
            body = bodies.get(kind) or photo(int(number))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        return None
