"""Processes that start in a moment, so that they can be killed often: forked from one that has imported all."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# What a worker imports by and by; TensorFlow alone takes longer than a small training.
WORKER_MODULES = ("keras", "openvino", "faiss", "scipy.stats", "backend.worker.process", "backend.learning.head")


class ForkServer:
    """Starts processes; the first start takes as long as the imports.

    Args:
        modules: what to import once, before the first start.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(modules))
        ready = self._context.Process(target=_nothing)
        ready.start()
        ready.join()

    def start(self, target: Callable[..., None], *arguments: Any) -> BaseProcess:
        """A process that runs a function of a module."""
        process = self._context.Process(target=target, args=arguments, daemon=True)
        process.start()
        return process

    def command(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> BaseProcess:
        """`python -m backend ARGUMENTS` in a process group of its own; what it prints is appended to a file."""
        return self.start(_run_command, list(arguments), dict(environment), str(log))


def kill_group(process: BaseProcess) -> None:
    """Kill what `ForkServer.command` started, its helper processes too, as a power cut would."""
    assert process.pid is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to making a group yet, or has ended by itself
        process.kill()
    process.join()


def _nothing() -> None:
    pass


def _run_command(arguments: list[str], environment: dict[str, str], log: str) -> None:
    from backend.cli.app import build_app

    os.setpgrp()
    os.environ.update(environment)
    with Path(log).open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    build_app()(arguments)
