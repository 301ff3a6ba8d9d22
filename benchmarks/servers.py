"""What benchmarks of servers share: a Flask application that answers a constant, and waiting."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import requests

from backend.demo.child_server import free_port

HEALTH_EVERY = 0.1  # seconds

_CONSTANT = """
import sys
from flask import Flask, jsonify
app = Flask("constant")
for path, answer in (("predict", {"results": []}), ("webhook", {"status": "ok"}), ("health", {"status": "UP"})):
    methods = ["GET"] if path == "health" else ["POST"]
    app.add_url_rule(f"/{path}", path, view_func=lambda answer=answer: jsonify(answer), methods=methods)
app.run(port=int(sys.argv[1]), threaded=True)
"""


@contextlib.contextmanager
def constant_server() -> Iterator[str]:
    """The address of a server that answers /health, /predict and /webhook with constants."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", _CONSTANT, str(port)], stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait(lambda: requests.get(f"{url}/health", timeout=1).ok)
        yield url
    finally:
        server.terminate()
        server.wait(60)


@contextlib.contextmanager
def health_times(url: str) -> Iterator[list[float]]:
    """Seconds that /health took, asked ten times a second as long as the block lasts."""
    times: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while not ended.wait(HEALTH_EVERY):
            begun = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            times.append(time.perf_counter() - begun)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield times
    finally:
        ended.set()
        watcher.join()


def wait(condition: Callable[[], bool], seconds: float = 120, *, pause: float = 0.05) -> None:
    """Wait until `condition` is true; a server that does not listen yet counts as not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (requests.RequestException, KeyError):
            pass
        time.sleep(pause)
    raise SystemExit(f"waited {seconds:g} s in vain")


def idle(url: str, project: int) -> bool:
    """Whether no job of a project waits or runs."""
    jobs = requests.get(f"{url}/projects/{project}/jobs", timeout=30).json()["jobs"]
    return all(job["job_status"] in ("done", "failed") for job in jobs)
