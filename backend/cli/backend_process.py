"""The backend as a child process with settings of its own, for the demo."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import requests

import backend
from backend.errors import BackendError
from backend.settings import setting_names

POLL_SECONDS = 0.25
LOG_TAIL_LINES = 15
STOP_SECONDS = 25.0


class BackendProcess:
    """`python -m backend serve` on this machine.

    It sees the settings given here and none of the caller's: neither from the environment nor from a `.env` file.

    Args:
        folder: where it runs and writes `backend.log`.
        settings: environment names of settings, and their values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder.absolute()
        self.settings = dict(settings)
        self.log_path = self.folder / "backend.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.settings['PORT']}"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def environment(self) -> dict[str, str]:
        """The environment that it runs with."""
        known = set(setting_names())
        inherited = {name: value for name, value in os.environ.items() if name.upper() not in known}
        source_root = str(Path(backend.__file__).parents[1])
        search = os.pathsep.join(filter(None, (source_root, os.environ.get("PYTHONPATH"))))
        return {**inherited, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", **self.settings}

    def start(self, progress: Callable[[str], None] | None = None, timeout: float = 120.0) -> None:
        """Start it and wait until it answers.

        Raises:
            BackendError: the port is taken (reason backend_port), or it died or stayed silent (backend_start, with the
                end of its log).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_taken_port()
        self._log = self.log_path.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve"],
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait(progress, timeout)
        except BaseException:
            self.stop()
            raise

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

    def stop(self) -> None:
        """End it and all that it started; harmless when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()  # the server ends its worker itself, and lets it finish what it can
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _refuse_taken_port(self) -> None:
        port = int(self.settings["PORT"])
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise BackendError(
                    f"Port {port} is in use: stop what listens there, or choose another with --backend-port.",
                    reason="backend_port",
                )

    def _wait(self, progress: Callable[[str], None] | None, timeout: float) -> None:
        started = time.monotonic()
        while (waited := time.monotonic() - started) < timeout:
            if not self.running:
                raise self._start_error("stopped while starting")
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/health", timeout=2).ok:
                    return
            if progress is not None:
                progress(f"waiting for the backend at {self.url} ({waited:.0f} s)")
            time.sleep(POLL_SECONDS)
        raise self._start_error(f"did not answer within {timeout:.0f} s")

    def _start_error(self, what: str) -> BackendError:
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return BackendError(
            f"The backend {what}. The end of {self.log_path}:\n" + "\n".join(lines), reason="backend_start"
        )


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
