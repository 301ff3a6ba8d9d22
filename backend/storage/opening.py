"""The database of the settings, opened for a command or a process, with a clear error where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.errors import SettingsError
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.storage.database import Database


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, migrated; its connections are given back at the end.

    Raises:
        SettingsError: it cannot be reached or used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from backend.storage.database import Database

    try:
        database = Database(settings.resolved_database_url)
        database.migrate()
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise SettingsError(
            f"DATABASE_URL or STATE_DIR: the database cannot be used: {str(error).splitlines()[0]}. "
            "`python -m backend doctor` looks closer."
        ) from None
    try:
        yield database
    finally:
        database.close()


def migrate_database(settings: Settings) -> None:
    """Bring the database up to date, before the processes that work with it open it.

    Raises:
        SettingsError: it cannot be reached or used.
    """
    with open_database(settings):
        pass
