"""Workers that start in a moment, so that they can be killed often: processes forked from one that has imported all."""

from __future__ import annotations

import logging
import multiprocessing
from multiprocessing.process import BaseProcess

from backend.settings import Settings
from backend.worker.process import run_worker

# What a worker imports by and by; TensorFlow alone takes longer than a small training.
PRELOADED = ["keras", "openvino", "faiss", "scipy.stats", "backend.worker.process", "backend.learning.head"]


class WorkerFactory:
    """Starts workers; the first start takes as long as the imports."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        ready = self._context.Process(target=_nothing)
        ready.start()
        ready.join()

    def start(self, settings: Settings) -> BaseProcess:
        """A process that runs the jobs of a state folder until it is killed; it logs to a file beside the folder."""
        process = self._context.Process(target=_work, args=(settings,), daemon=True)
        process.start()
        return process


def _nothing() -> None:
    pass


def _work(settings: Settings) -> None:
    log = settings.state_dir.parent / "worker.log"
    logging.basicConfig(filename=log, level=settings.log_level, format="%(asctime)s %(process)d %(name)s: %(message)s")
    run_worker(settings)
