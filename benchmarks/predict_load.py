"""Many callers of /predict at once: `python -m benchmarks.predict_load [--threads 8,16] [--clients 1,2,4,8,16,32]`.

Starts the real server on a database of embedded tasks (made-up embeddings), without Label Studio, once for each number of
its threads. Each client asks for one task at a time, without a pause; the numbers of clients take turns for some rounds.
With --photos nobody knows the tasks yet, and each call reads and embeds a photo. Printed for each number of clients: the
median of the calls answered in a second, what that is of the best number of clients, and how long /health took meanwhile.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from backend.demo.backend_process import BackendProcess
from backend.demo.child_server import free_port
from backend.settings import Settings
from benchmarks.latency import PROJECT, fill, label_config, label_names, queue
from benchmarks.servers import constant_server, health_times, idle, wait
from benchmarks.serving import make_photos

LABELS = 20


@dataclass
class Rounds:
    """What one number of clients met, round by round: calls in a second, and seconds of /health."""

    rates: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def ask(url: str, bodies: Iterator[bytes], clients: int, seconds: float) -> int:
    """Calls of /predict that were answered with a prediction within `seconds`.

    Raises:
        SystemExit: one was answered otherwise.
    """
    address, end, lock = urlsplit(url).netloc, time.perf_counter() + seconds, threading.Lock()
    counts: list[int] = []
    faults: list[str] = []

    def client() -> None:
        connection, done = http.client.HTTPConnection(address, timeout=120), 0
        while time.perf_counter() < end and not faults:
            with lock:
                body = next(bodies)
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or b'"results":[[]]' in text.replace(b" ", b""):
                faults.append(f"{answer.status} {text[:200]!r}")
            done += 1
        with lock:
            counts.append(done)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise SystemExit(f"/predict failed: {faults[0]}")
    return sum(counts)


def bodies_of(tasks: list[dict[str, Any]], config: str) -> Iterator[bytes]:
    """A call for each task, over and over."""
    made = [json.dumps({"project": f"{PROJECT}.1", "label_config": config, "tasks": [task]}).encode() for task in tasks]
    return itertools.cycle(made)


def measure(url: str, bodies: Iterator[bytes], clients: list[int], rounds: int, seconds: float) -> dict[int, Rounds]:
    found = {number: Rounds() for number in clients}
    ask(url, bodies, max(clients), 1.0)  # what is opened by the first calls
    for _ in range(rounds):
        for number, into in found.items():
            with health_times(url) as times:
                begun = time.perf_counter()
                answered = ask(url, bodies, number, seconds)
                into.rates.append(answered / (time.perf_counter() - begun))
            into.health.extend(times)
    return found


def tell(title: str, found: dict[int, Rounds]) -> None:
    best = max(rounds.rate for rounds in found.values())
    print(title)
    for number, rounds in found.items():
        p99 = 1000 * float(np.percentile(rounds.health, 99))
        print(
            f"  {number:3} clients {rounds.rate:8.1f} a second   {rounds.rate / best:.2f} of the best"
            f"   /health p99 {p99:7.1f} ms   worst {1000 * max(rounds.health):7.1f} ms"
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="8", help="values of WEB_THREADS")
    parser.add_argument("--clients", default="1,2,4,8,16,32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round, for each number of clients")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--photos", type=int, default=0, help="read and embed these many photos instead, each once")
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--wordnet-dir", type=Path, default=Path(".state/wordnet"))
    options = parser.parse_args(arguments)
    clients = [int(number) for number in options.clients.split(",")]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        settings = Settings(
            _env_file=None,
            state_dir=Path(folder) / "state",
            weights_dir=options.models_dir.resolve(),
            wordnet_dir=options.wordnet_dir.resolve(),
        )
        names = label_names(LABELS)
        config = label_config(names)
        fill(settings, options.tasks, names, 0)
        tasks = [{"id": task, "data": {"image": f"https://photos.example/{task}.jpg"}} for task in range(options.tasks)]
        if options.photos:
            made = make_photos(Path(folder), options.photos)
            tasks = [{"id": options.tasks + task["id"], "data": {"image": task["data"]["photo"]}} for task in made]
        for threads in (int(number) for number in options.threads.split(",")):
            serving = {
                "STATE_DIR": str(settings.state_dir),
                "WEIGHTS_DIR": str(settings.resolved_weights_dir),
                "WORDNET_DIR": str(settings.resolved_wordnet_dir),
                "HOST": "127.0.0.1",
                "PORT": str(free_port()),
                "LOG_LEVEL": "ERROR",
                "LOCAL_ROOTS": folder,
                "WEB_THREADS": str(threads),
            }
            with BackendProcess(Path(folder), serving) as backend:
                wait(lambda url=backend.url: bool(queue(url)["version"]), 600)  # type: ignore[misc]
                wait(lambda url=backend.url: idle(url, PROJECT), 600)  # type: ignore[misc]
                found = measure(backend.url, bodies_of(tasks, config), clients, options.rounds, options.seconds)
            tell(f"WEB_THREADS={threads}", found)
        plain = stack.enter_context(constant_server())
        tell("constant answer", measure(plain, bodies_of(tasks, config), clients, 1, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
