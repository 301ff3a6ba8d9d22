"""A runtime over a database of its own, with the real job ledger; nothing runs the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.settings import Settings
from backend.storage.database import Database


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(state_dir=tmp_path / "state", database_url=database_url, _env_file=None)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.resolved_database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def jobs(settings: Settings, database: Database) -> JobQueue:
    return JobQueue(settings, database)


@pytest.fixture
def runtime(settings: Settings, database: Database, jobs: JobQueue) -> Runtime:
    return Runtime(settings, database, jobs)
