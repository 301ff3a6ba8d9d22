"""`serve`: the web server and, beside it, the process that runs the background jobs."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from backend.cli.logs import configure_logging
from backend.settings import Settings, load_settings
from backend.storage.opening import migrate_database

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.2
RESTART_SECONDS = 2.0
STOP_SECONDS = 20.0


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides HOST.")] = None,
) -> None:
    """Run the backend: answers Label Studio on HOST:PORT and works on jobs beside it. Ctrl-C stops both."""
    overrides = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    settings = load_settings(**overrides)
    configure_logging(settings)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    migrate_database(settings)
    prepare_metrics_folder(settings)
    address = ["--host", settings.host, "--port", str(settings.port)]
    raise typer.Exit(Supervisor(web=["web", *address], worker=["worker"]).run())


def prepare_metrics_folder(settings: Settings) -> None:
    """A fresh folder in which web server and worker put their counts, so that /metrics can add them up."""
    folder = settings.state_dir.resolve() / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


class Supervisor:
    """Runs web server and worker as processes of their own until the web server ends or a signal comes.

    A worker that dies is started again, and its job goes on; a web server that ends, ends the command.
    """

    def __init__(self, *, web: Sequence[str], worker: Sequence[str]) -> None:
        self._commands = {"web": web, "worker": worker}
        self._stop = threading.Event()

    def run(self) -> int:
        """Run until the end; the exit code of the web server, 0 after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        web, worker = self._start("web"), self._start("worker")
        try:
            while not self._stop.wait(CHECK_SECONDS):
                if web.poll() is not None:
                    return int(web.returncode)
                if worker.poll() is not None:
                    log.error("the worker ended with code %s; it is started again", worker.returncode)
                    self._stop.wait(RESTART_SECONDS)
                    worker = self._start("worker")
            return 0
        finally:
            _end(web, worker)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "backend", *self._commands[name], "--follow-parent"])

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()


def _end(*processes: subprocess.Popen[bytes]) -> None:
    """Let the processes finish what they can in some seconds; jobs cut off run again at the next start."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
