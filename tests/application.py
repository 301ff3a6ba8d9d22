"""The product in the test's own process: settings, database, queue, runtime, and the means to run its jobs here and now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from backend.api.app import create_app
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Job
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = REPOSITORY / ".cache" / "models"  # compiled once, shared by all tests
WORDNET = REPOSITORY / ".state" / "wordnet"

AppFactory = Callable[..., "Application"]


class Application:
    """One installation; what is open is opened when first used, as in the product."""

    def __init__(self, settings: Settings, patience: float = 30.0) -> None:
        """`patience`: seconds that a writer waits for another."""
        self.settings = settings
        self.database = Database(settings.resolved_database_url, patience=patience)
        self.database.migrate()
        self.open()

    def open(self, **overrides: Any) -> None:
        """Start as a new process does, with these settings changed."""
        self.settings = self.settings.model_copy(update=overrides)
        self.jobs = JobQueue(self.settings, self.database)
        self.runtime = Runtime(self.settings, self.database, self.jobs)
        self.__dict__.pop("runner", None)
        self.__dict__.pop("client", None)

    @cached_property
    def client(self) -> FlaskClient:
        """Calls the endpoints."""
        return create_app(self.runtime, self.jobs).test_client()

    @cached_property
    def runner(self) -> Runner:
        """Runs jobs as a worker does."""
        return Runner(self.jobs.ledger, job_handlers(self.runtime), wake=lambda: None)

    def run(self, kind: str, project_id: int, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a job and those it asks for; the result of the first. All have to succeed."""
        job = self.runtime.jobs.enqueue(kind, project_id, payload)
        self.run_waiting(project_id)
        return dict(self.ended(job).result or {})

    def run_waiting(self, project_id: int) -> None:
        """Run the jobs of a project that wait, and those they ask for. All have to succeed."""
        while waiting := self.jobs.ledger.waiting(project_id):
            for job_id in waiting:
                self.runner.run(job_id)
                self.ended(job_id)

    def ended(self, job_id: str) -> Job:
        """A job that succeeded."""
        job = self.jobs.ledger.get(job_id)
        assert job.status == "done", job.message
        return job

    def close(self) -> None:
        """Give back the connections."""
        self.database.close()


def installation_settings(folder: Path, database_url: str = "", **given: Any) -> Settings:
    """Settings of an installation below `folder`, with the shared models and WordNet, read from no environment file."""
    defaults: dict[str, Any] = {
        "state_dir": folder / "state",
        "database_url": database_url,
        "weights_dir": MODELS,
        "wordnet_dir": WORDNET,
        "backbone": "efficientnet_lite0",
    }
    return Settings(_env_file=None, **{**defaults, **given})
