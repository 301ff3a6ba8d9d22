"""Many annotations at once: `python -m benchmarks.webhook_load [--events 5000] [--seconds 15] [--clients 32] [--postgresql]`.

Starts the real server on a database of embedded tasks (made-up embeddings), without Label Studio, and sends events at an
even rate whether the server keeps up or not. An answer's time counts from the moment when its event was due, so that a
server that is behind is seen to be. Printed: answers by status, their times, how long /health took meanwhile, the processor
time of the process that answers (which other programs on the machine hardly change), the same for a Flask application that
answers a constant, and whether every annotation is stored; the command fails if one is not.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
from sqlalchemy import func, select

from backend.demo.backend_process import BackendProcess
from backend.demo.child_server import free_port
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation
from benchmarks.latency import PROJECT, annotation_event, fill, label_config, label_names, queue
from benchmarks.servers import constant_server, health_times, idle, wait
from benchmarks.team_servers import process_with, processor_seconds
from tests.database_servers import postgresql_programs, postgresql_server

LABELS = 20


@dataclass
class Load:
    """What was sent, and what came of it; seconds."""

    answers: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)
    seconds: float = 0.0
    processor: float = 0.0  # of the process that answers, with those that it runs


@dataclass
class Loads:
    """The load on the backend, what was stored of it, and the same load on a constant answer."""

    backend: Load
    stored: int
    constant: Load


def send(url: str, bodies: list[bytes], seconds: float, clients: int, server: psutil.Process) -> Load:
    """Send the events at an even rate over `seconds`, from as many connections as there are clients, to a server's process."""
    address = urlsplit(url).netloc
    found, turn, lock = Load(), itertools.count(), threading.Lock()
    start = time.perf_counter() + 0.5

    def client() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        while (number := next(turn)) < len(bodies):
            due = start + number * seconds / len(bodies)
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                connection.request("POST", "/webhook", bodies[number], {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except OSError:
                connection.close()
                status = 0
            with lock:
                found.answers.append(time.perf_counter() - due)
                found.statuses[status] += 1

    threads = [threading.Thread(target=client) for _ in range(clients)]
    before = processor_seconds(server)
    with health_times(url) as found.health:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found.seconds = time.perf_counter() - start
    found.processor = processor_seconds(server) - before
    return found


def stored(settings: Settings) -> int:
    database = Database(settings.resolved_database_url)
    with database.session() as session:
        count = session.scalar(select(func.count()).select_from(Annotation)) or 0
    database.close()
    return count


def measure(folder: Path, settings: Settings, *, threads: int, events: int, seconds: float, clients: int) -> Loads:
    names = label_names(LABELS)
    truth = fill(settings, events, names, 0)
    config = label_config(names)
    bodies = [
        json.dumps(annotation_event(task + 1, task, names[truth[task]], config)).encode() for task in range(events)
    ]
    serving = {
        "STATE_DIR": str(settings.state_dir),
        "DATABASE_URL": settings.database_url,
        "WEIGHTS_DIR": str(settings.resolved_weights_dir),
        "WORDNET_DIR": str(settings.resolved_wordnet_dir),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "LOG_LEVEL": "WARNING",
        "RETRAIN_EVERY": "1000000",
        **({"WEB_THREADS": str(threads)} if threads else {}),
    }
    with BackendProcess(folder, serving) as backend:
        wait(lambda: bool(queue(backend.url)["version"]), 600)
        wait(lambda: idle(backend.url, PROJECT), 600)
        web = next(child for child in process_with("serve").children() if "web" in child.cmdline())
        found = send(backend.url, bodies, seconds, clients, web)
        end = time.monotonic() + 60  # an event that a file took is taken in within seconds
        while (count := stored(settings)) < events and time.monotonic() < end:
            time.sleep(0.5)
    with constant_server() as plain:
        constant = send(plain, bodies, seconds, clients, process_with(urlsplit(plain).netloc.rsplit(":")[-1]))
    return Loads(found, count, constant)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--threads", type=int, default=0, help="WEB_THREADS; 0: as it is by default")
    database = parser.add_mutually_exclusive_group()
    database.add_argument("--database-url", default="", help="SQLAlchemy URL of an empty PostgreSQL database")
    database.add_argument(
        "--postgresql",
        type=Path,
        nargs="?",
        const=postgresql_programs(),
        help="on a PostgreSQL that is started for it; the folder of its programs, unless they are where Debian has them",
    )
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--wordnet-dir", type=Path, default=Path(".state/wordnet"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = options.database_url
        if options.postgresql:
            address = stack.enter_context(postgresql_server(options.postgresql, durable=True)).url
            url = address.replace("postgresql://", "postgresql+psycopg://")
        settings = Settings(
            _env_file=None,
            state_dir=Path(folder) / "state",
            database_url=url,
            weights_dir=options.models_dir.resolve(),
            wordnet_dir=options.wordnet_dir.resolve(),
        )
        found = measure(
            Path(folder),
            settings,
            threads=options.threads,
            events=options.events,
            seconds=options.seconds,
            clients=options.clients,
        )
    for name, load in (("backend", found.backend), ("constant answer", found.constant)):
        for what, times in (("webhook, from when it was due", load.answers), ("/health meanwhile", load.health)):
            p50, p99 = (1000 * float(np.percentile(times, part)) for part in (50, 99))
            print(f"{name:16} {what:30} median {p50:8.1f} ms   p99 {p99:8.1f} ms   worst {1000 * max(times):8.1f} ms")
        each = 1000 * load.processor / len(load.answers)
        print(
            f"{name:16} {len(load.answers):,} events in {load.seconds:.1f} s, {each:.2f} ms of its processor time each;"
            f" answers: {dict(load.statuses)}"
        )
    print(f"{found.stored:,} of {options.events:,} annotations stored")
    return 0 if found.stored == options.events else 1


if __name__ == "__main__":
    sys.exit(main())
