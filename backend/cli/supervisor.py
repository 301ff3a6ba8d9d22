"""Runs the processes of `serve` and `worker`: starts a worker again that died, ends all together."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.2
RESTART_SECONDS = 2.0
STOP_SECONDS = 20.0

Command = Sequence[str]
Process = subprocess.Popen[bytes]


class Supervisor:
    """Runs a web server and workers as processes of their own until the web server ends or a signal comes.

    A worker that dies is started again, and its jobs go on; a web server that ends, ends the command.
    """

    def __init__(self, *, workers: Sequence[Command], web: Command | None = None) -> None:
        """The arguments of `python -m backend` for each process; `web` is None where only workers run."""
        self._web = web
        self._workers = workers
        self._stop = threading.Event()

    def run(self) -> int:
        """Run until the end; the exit code of the web server, 0 after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        web = None if self._web is None else _start(self._web)
        workers = [_start(command) for command in self._workers]
        try:
            while not self._stop.wait(CHECK_SECONDS):
                if web is not None and web.poll() is not None:
                    return int(web.returncode)
                for place, worker in enumerate(workers):
                    if worker.poll() is not None:
                        command = self._workers[place]
                        log.error("`%s` ended with code %s; it is started again", " ".join(command), worker.returncode)
                        self._stop.wait(RESTART_SECONDS)
                        workers[place] = _start(command)
            return 0
        finally:
            _end([*([] if web is None else [web]), *workers])

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()


def _start(command: Command) -> Process:
    return subprocess.Popen([sys.executable, "-m", "backend", *command, "--follow-parent"])


def _end(processes: Sequence[Process]) -> None:
    """Let the processes finish what they can in some seconds; jobs cut off run again at the next start."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
