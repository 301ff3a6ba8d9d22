"""A server as a child process: started in a process group of its own, waited for, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

import requests

from backend.errors import BackendError
from backend.progress import Status

POLL_SECONDS = 0.25
PROGRESS_SECONDS = 1.0
LOG_TAIL_LINES = 15


class ChildServer(ABC):
    """A server on a port of loopback that answers GET /health. Use as a context manager, or call `start` and `stop`.

    Args:
        folder: where it runs and writes its log.
        port: that it listens on.
    """

    title: ClassVar[str]
    """What messages call it."""
    slug: ClassVar[str]
    """Names its log, and starts the reasons of its errors."""
    error: ClassVar[type[BackendError]]
    """What is raised where it does not start."""
    port_option: ClassVar[str]
    """What people choose another port with."""
    patience: ClassVar[str] = ""
    """What is said to those who wait for it to start."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.log_path = self.folder / f"{self.slug.replace('_', '-')}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers, once started."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment variables that it runs with."""

    @abstractmethod
    def start(self, progress: Status | None = None) -> None:
        """Start it and wait until it answers; `progress` is told what is being waited for, at most once a second."""

    def stop(self) -> None:
        """End it and all that it started; harmless when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            self._end(process)
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

    @abstractmethod
    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask the process to end, and kill its group if it does not."""

    def _check(self) -> None:  # noqa: B027 (most have nothing more to check)
        """Raise where it answers, but is not what was meant."""

    def _launch(self, command: Sequence[str], progress: Status | None, timeout: float) -> None:
        """Run `command` and wait until /health answers; if that fails nothing is left running.

        Raises:
            BackendError: as `error`: the port is taken (reason <slug>_port), or it died or stayed silent for `timeout`
                seconds (<slug>_start, with the end of its log).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_taken_port()
        self._log = self.log_path.open("ab")
        self._process = subprocess.Popen(
            command,
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait(progress, timeout)
            self._check()
        except BaseException:
            self.stop()
            raise

    def _refuse_taken_port(self) -> None:
        # The child might quietly take another port, and we would talk to a stranger.
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                raise self.error(
                    f"Port {self.port} is in use: stop what listens there, or choose another {self.port_option}.",
                    reason=f"{self.slug}_port",
                )

    def _wait(self, progress: Status | None, timeout: float) -> None:
        started = time.monotonic()
        reported = 0.0
        session = requests.Session()
        session.trust_env = False  # no proxy stands between us and loopback
        while (waited := time.monotonic() - started) < timeout:
            if not self.running:
                raise self._start_error("stopped while starting")
            with contextlib.suppress(requests.RequestException):
                if session.get(f"{self.url}/health", timeout=2).ok:
                    return
            if progress is not None and waited - reported >= PROGRESS_SECONDS:
                reported = waited
                progress(f"waiting for {self.title} at {self.url} ({waited:.0f} s{self.patience})")
            time.sleep(POLL_SECONDS)
        raise self._start_error(f"did not answer within {timeout:.0f} s")

    def _start_error(self, what: str) -> BackendError:
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        sentence = f"{self.title[0].upper()}{self.title[1:]} {what}. The end of {self.log_path}:\n"
        return self.error(sentence + "\n".join(lines), reason=f"{self.slug}_start")


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a child that leads a process group and to all in the group; harmless if all are gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def free_port() -> int:
    """A port of loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
