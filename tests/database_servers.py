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


@contextmanager
def postgresql_server(programs: Path) -> Iterator[str]:
    """A server that forgets all at its end; gives the address of its first database, postgresql://…"""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:  # below a path that `nobody` may enter
        data, port = Path(folder) / "data", free_port()
        if user:
            shutil.chown(folder, user)
        initdb = [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        command = [programs / "postgres", "-D", data, *(word for option in options for word in ("-c", option))]
        url = f"postgresql://tests@127.0.0.1:{port}/postgres"
        with _running(command, folder, user, signal.SIGINT, lambda: psycopg.connect(url).close()):
            yield url


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A new database of the server, dropped at the end; gives its SQLAlchemy URL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server_url.replace("postgresql://", "postgresql+psycopg://").replace("/postgres", f"/{name}")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def redis_server(program: str) -> Iterator[str]:
    """A server that forgets all at its end; gives its address, redis://…"""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        with redis.Redis(port=port) as client, _running(command, folder, None, signal.SIGTERM, client.ping):
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _running(
    command: list[str | Path], folder: str, user: str | None, ends_with: signal.Signals, answers: Callable[[], object]
) -> Iterator[None]:
    """The command, from when it `answers` to the end of the block."""
    process = subprocess.Popen(command, cwd=folder, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        started = time.monotonic()
        while True:
            try:
                answers()
                break
            except (psycopg.OperationalError, redis.ConnectionError):
                assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
                assert time.monotonic() - started < START_SECONDS, f"{command[0]} does not answer"
                time.sleep(0.1)
        yield
    finally:
        process.send_signal(ends_with)
        process.wait(START_SECONDS)
