"""Workers that start in a moment, so that they can be killed often."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from backend.jobs.kinds import Lane
from backend.settings import Settings
from backend.worker.process import run_worker
from tests.forked import WORKER_MODULES, ForkServer


class WorkerFactory:
    """Starts workers; the first start takes as long as the imports."""

    def __init__(self) -> None:
        self._server = ForkServer(WORKER_MODULES)

    def start(self, settings: Settings) -> Workers:
        """Processes that run the jobs of a state folder until they are killed; they log to a file beside the folder."""
        return Workers([self._server.start(_work, settings, lane) for lane in Lane])


@dataclass(frozen=True)
class Workers:
    """The processes of both lanes."""

    processes: list[BaseProcess]

    def kill(self) -> None:
        """Kill both at once, as a power cut would."""
        for process in self.processes:
            process.kill()

    def join(self) -> None:
        """Wait until both are gone."""
        for process in self.processes:
            process.join()


def _work(settings: Settings, lane: Lane) -> None:
    log = settings.state_dir.parent / "worker.log"
    logging.basicConfig(filename=log, level=settings.log_level, format="%(asctime)s %(process)d %(name)s: %(message)s")
    run_worker(settings, lane)
