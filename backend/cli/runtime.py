"""The product's resources for commands that work on the state of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.cli.state import settings_for_project
from backend.storage.opening import open_database

if TYPE_CHECKING:
    from backend.service.context.context import Runtime


@contextmanager
def open_runtime(project: int) -> Iterator[Runtime]:
    """A runtime over the database that has a project; jobs it asks for run in the server's worker."""
    from backend.jobs.queue import JobQueue
    from backend.service.context.context import Runtime

    settings = settings_for_project(project)
    with open_database(settings) as database:
        yield Runtime(settings, database, JobQueue(settings, database))
