"""The backend as a child process with settings of its own, for the demo."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

import backend
from backend.demo.child_server import ChildServer, signal_group
from backend.errors import BackendError
from backend.progress import Status
from backend.settings import setting_names

STOP_SECONDS = 25.0


class BackendProcess(ChildServer):
    """`python -m backend serve` on this machine.

    It sees the settings given here and none of the caller's: neither from the environment nor from a `.env` file.

    Args:
        folder: where it runs and writes `backend.log`.
        settings: environment names of settings, PORT among them, and their values.
    """

    title = "the backend"
    slug = "backend"
    error = BackendError
    port_option = "with --backend-port"

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder, int(settings["PORT"]))
        self.settings = dict(settings)

    def environment(self) -> dict[str, str]:
        """The environment that it runs with."""
        known = set(setting_names())
        inherited = {name: value for name, value in os.environ.items() if name.upper() not in known}
        source_root = str(Path(backend.__file__).parents[1])
        search = os.pathsep.join(filter(None, (source_root, os.environ.get("PYTHONPATH"))))
        return {**inherited, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", **self.settings}

    def start(self, progress: Status | None = None, timeout: float = 120.0) -> None:
        """Start it and wait until it answers.

        Raises:
            BackendError: the port is taken (reason backend_port), or it died or stayed silent (backend_start, with the
                end of its log).
        """
        self._launch([sys.executable, "-m", "backend", "serve"], progress, timeout)

    def get(self, path: str) -> dict[str, Any]:
        """What an endpoint answers.

        Raises:
            BackendError: it answers with an error, or not at all.
        """
        try:
            answer = requests.get(self.url + path, timeout=30)
        except requests.RequestException as error:
            raise BackendError(f"The backend at {self.url} does not answer: {error}", reason="backend_silent") from None
        if not answer.ok:
            raise BackendError(f"The backend answers {answer.status_code} to {path}: {answer.text[:300]}")
        return dict(answer.json())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()  # the server ends its worker itself, and lets it finish what it can
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        signal_group(process, signal.SIGKILL)
