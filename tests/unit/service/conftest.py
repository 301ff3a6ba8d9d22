"""A runtime over a database of its own, with the real job ledger; nothing runs the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.settings import Settings
from backend.storage.database import Database
from tests.application import AppFactory, Application
from tests.small_label_studio import TOKEN, SmallLabelStudio
from tests.unit.service.samples import CONFIG
from tests.unit.service.team import PROJECT, TASKS, Team


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


@pytest.fixture
def team(runtime: Runtime, database: Database, settings: Settings, jobs: JobQueue) -> Iterator[Team]:
    data: dict[int, dict[str, Any]] = {number: {"image": str(number)} for number in range(1, TASKS + 1)}
    with SmallLabelStudio(PROJECT, CONFIG, data) as label_studio:
        access = {"label_studio_url": label_studio.url, "label_studio_api_key": TOKEN}
        yield Team(Runtime(settings.model_copy(update=access), database, jobs), label_studio)
