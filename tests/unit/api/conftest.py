"""The web application in this process, over a database of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.application import REPOSITORY, AppFactory
from tests.application import Application as App

MakeApp = AppFactory

__all__ = ["REPOSITORY", "App", "MakeApp"]


@pytest.fixture
def make_app(app_factory: AppFactory, tmp_path: Path) -> MakeApp:
    """Makes an application; keyword arguments are settings."""

    def make(**settings: Any) -> App:
        return app_factory(**{"local_roots": (str(tmp_path),), **settings})

    return make


@pytest.fixture
def app(make_app: MakeApp) -> App:
    """An application with the default settings."""
    return make_app()
