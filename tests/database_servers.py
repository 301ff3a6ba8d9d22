"""A PostgreSQL and a Redis server of the tests' own, on loopback, from the programs installed on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from backend.demo.child_server import free_port

START_SECONDS = 60
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root


def postgresql_programs() -> Path | None:
    """The folder with `initdb` and `postgres`; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


class Server:
    """A server process that can be ended and started again on what it kept.

    Attributes:
        url: its address.
    """

    def __init__(
        self, url: str, command: list[str | Path], folder: str, user: str | None, ends_with: signal.Signals
    ) -> None:
        self.url = url
        self._command, self._folder, self._user, self._ends_with = command, folder, user, ends_with

    def start(self, answers: Callable[[], object]) -> None:
        """Start it; returns once it `answers`."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, cwd=self._folder, user=self._user, stdout=quiet, stderr=quiet)
        self._answers = answers
        started = time.monotonic()
        while True:
            try:
                answers()
                return
            except (psycopg.OperationalError, redis.ConnectionError):
                assert self._process.poll() is None, f"{self._command[0]} ended with {self._process.returncode}"
                assert time.monotonic() - started < START_SECONDS, f"{self._command[0]} does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        """End it at once; who is connected loses the connection."""
        self._process.send_signal(self._ends_with)
        self._process.wait(START_SECONDS)

    def start_again(self) -> None:
        """Start it as it was started."""
        self.start(self._answers)


@contextmanager
def postgresql_server(programs: Path, *, durable: bool = False) -> Iterator[Server]:
    """A server that forgets all at its end; its address is that of its first database, postgresql://…

    Args:
        durable: each commit waits for the disk, as where it matters.
    """
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:  # below a path that `nobody` may enter
        data, port = Path(folder) / "data", free_port()
        if user:
            shutil.chown(folder, user)
        initdb = [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        options.append(f"fsync={'on' if durable else 'off'}")
        command = [programs / "postgres", "-D", data, *(word for option in options for word in ("-c", option))]
        url = f"postgresql://tests@127.0.0.1:{port}/postgres"
        server = Server(url, command, folder, user, signal.SIGINT)
        server.start(lambda: psycopg.connect(url).close())
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A new database of the server, dropped at the end; gives its SQLAlchemy URL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server_url.replace("postgresql://", "postgresql+psycopg://").replace("/postgres", f"/{name}")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def redis_server(program: str) -> Iterator[Server]:
    """A server that forgets all at its end, and when it is started again; its address is redis://…"""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = free_port()
        command: list[str | Path] = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        server = Server(f"redis://127.0.0.1:{port}/0", command, folder, None, signal.SIGTERM)
        with redis.Redis(port=port) as client:
            server.start(client.ping)
            try:
                yield server
            finally:
                server.stop()
