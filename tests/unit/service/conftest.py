"""A runtime over a database of its own, with the real job ledger; nothing runs the jobs."""

from __future__ import annotations

import pytest

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.settings import Settings
from backend.storage.database import Database
from tests.application import AppFactory, Application


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    return app_factory()


@pytest.fixture
def database(application: Application) -> Database:
    return application.database


@pytest.fixture
def jobs(application: Application) -> JobQueue:
    return application.jobs


@pytest.fixture
def settings(application: Application) -> Settings:
    return application.settings


@pytest.fixture
def runtime(application: Application) -> Runtime:
    return application.runtime
