"""The web application in this process, over a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from backend.api.app import create_app
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime
from backend.settings import Settings
from backend.storage.database import Database

REPOSITORY = Path(__file__).resolve().parents[3]

MakeApp = Callable[..., "App"]


class App:
    """A test client with what lies behind it."""

    def __init__(self, settings: Settings, patience: float = 30.0) -> None:
        self.settings = settings
        self.database = Database(settings.resolved_database_url, patience=patience)
        self.database.migrate()
        self.jobs = JobQueue(settings, self.database)
        self.runtime = Runtime(settings, self.database, self.jobs)
        self.client: FlaskClient = create_app(self.runtime, self.jobs).test_client()


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Makes an application; keyword arguments are settings, and the seconds that a writer waits for another."""
    made: list[App] = []

    def make(*, patience: float = 30.0, **settings: Any) -> App:
        defaults: dict[str, Any] = {
            "state_dir": tmp_path / "state",
            "weights_dir": REPOSITORY / ".state" / "models",
            "wordnet_dir": REPOSITORY / ".state" / "wordnet",
            "backbone": "efficientnet_lite2",
            "local_roots": (str(tmp_path),),
        }
        made.append(App(Settings(_env_file=None, **{**defaults, **settings}), patience))
        return made[-1]

    yield make
    for app in made:
        app.database.close()


@pytest.fixture
def app(make_app: MakeApp) -> App:
    """An application with the default settings."""
    return make_app()
