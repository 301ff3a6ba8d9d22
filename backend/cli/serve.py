"""`serve`: the web server and, beside it, the process that runs the background jobs."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from typing import Annotated

import typer

from backend.cli.logs import configure_logging
from backend.settings import Settings, load_settings

log = logging.getLogger(__name__)

RESTART_SECONDS = 2.0
STOP_SECONDS = 15.0


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on; overrides PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides HOST.")] = None,
) -> None:
    """Run the backend: answers Label Studio on HOST:PORT and works on jobs beside it. Ctrl-C stops both."""
    from backend.api.server import WebServer
    from backend.storage.database import Database

    overrides = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    settings = load_settings(**overrides)
    configure_logging(settings)
    prepare_metrics_folder(settings)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.resolved_database_url)
    database.migrate()
    database.close()
    supervisor = WorkerSupervisor()
    supervisor.start()
    try:
        WebServer(settings).run()
    finally:
        supervisor.stop()


def prepare_metrics_folder(settings: Settings) -> None:
    """A fresh folder in which web process and worker put their counts, so that /metrics can add them up."""
    folder = settings.state_dir.resolve() / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


class WorkerSupervisor:
    """Keeps one worker process running: one that dies is started again, and its job goes on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="worker-supervisor", daemon=True)

    def start(self) -> None:
        """Start the worker and watch it."""
        self._thread.start()

    def stop(self) -> None:
        """Let the worker finish what it can in a few seconds; jobs cut off run again at the next start."""
        self._stop.set()
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _keep_alive(self) -> None:
        while not self._stop.is_set():
            self._process = subprocess.Popen([sys.executable, "-m", "backend", "worker", "--follow-parent"])
            code = self._process.wait()
            if not self._stop.is_set():
                log.error("the worker ended with code %s; it is started again in %g s", code, RESTART_SECONDS)
                self._stop.wait(RESTART_SECONDS)
