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
        status, body = self.answer(*self.path.strip("/").split("/"))
        # Before the last byte: with it in hand, the client may ask again sooner than this thread runs on.
        with host.lock:
            host.at_once[name] -= 1
        if status is None:
            self.close_connection = True
        elif status >= 400:
            self.send_error(status)
        else:
            self.send_response(status)
            self.send_header(*(("Location", body.decode()) if status == 302 else ("Content-Length", str(len(body)))))
            self.end_headers()
            if status == 200:
                self.wfile.write(body)

    def answer(self, kind: str, number: str = "0") -> tuple[int | None, bytes]:
        """The status, None for a connection that closes without a word, and the body or the new address."""
        number = number.partition("?")[0]
        with self.server.lock:
            busy = self.server.busy > 0
            self.server.busy -= busy
        if busy:
            return 503, b""
        if kind == "moved":
            return 302, f"/photo/{number}".encode()
        without_photo = {"gone": 404, "broken": 500, "away": None}
        if kind in without_photo:
            return without_photo[kind], b""
        if kind == "slow":
            threading.Event().wait(0.3)
        bodies = {
            "page": b"<html>no photo</html>",
            "dot": photo(99, 20, 20),
            "cut": photo(98)[:400],
            "placeholder": photo(97),
        }
        return 200, bodies.get(kind) or photo(int(number))

    def log_message(self, format: str, *arguments: object) -> None:
        return None
