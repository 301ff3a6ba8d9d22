"""Jobs in processes of their own that die as by `kill -9` at a counted place, or whenever somebody kills them."""

from __future__ import annotations

import signal
from multiprocessing.process import BaseProcess

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.settings import Settings
from backend.storage.database import Database
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner
from tests.forked import WORKER_MODULES, ForkServer
from tests.unit.service.faults import FileFaults, Killer, database_fault

FILES = FileFaults()
NEVER = 10**9
SECONDS = 240.0  # a process that takes longer hangs


class MortalWorkers:
    """Starts processes that run one job; the first start takes as long as the imports."""

    def __init__(self) -> None:
        self._server = ForkServer(WORKER_MODULES)

    def start(
        self, settings: Settings, job_id: str, what: str = "database", number: int = NEVER, about: str = ""
    ) -> BaseProcess:
        """A process that runs a job, and is killed at a step of it.

        Args:
            what: the steps counted: statements and commits of the `database`, or changes of the project's `files`.
            about: count only statements with this among their values.
        """
        return self._server.start(_run, settings, job_id, what, number, about)

    def survives(self, settings: Settings, job_id: str, what: str, number: int, about: str = "") -> bool:
        """Whether a job came to its end before the step of this number."""
        return survived(self.start(settings, job_id, what, number, about))


def survived(process: BaseProcess) -> bool:
    """Wait for the end of a process; whether it was its own."""
    process.join(SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == 0


def _run(settings: Settings, job_id: str, what: str, number: int, about: str) -> None:
    database = Database(settings.resolved_database_url)
    queue = JobQueue(settings, database)
    runner = Runner(queue.ledger, job_handlers(Runtime(settings, database, queue)), wake=lambda: None)
    if what == "files":
        with FILES.fault(settings.state_dir / "projects", number, Killer):
            runner.run(job_id)
    else:
        with database_fault(database.engine, number, Killer, about=about):
            runner.run(job_id)
