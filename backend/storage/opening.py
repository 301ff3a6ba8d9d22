"""The database of the settings, opened for a command or a process, with a clear error where it cannot be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from backend.errors import SettingsError
from backend.files import end_replacements
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.storage.database import Database

log = logging.getLogger(__name__)


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, migrated; its connections are given back at the end.

    Raises:
        SettingsError: it cannot be reached or used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from backend.storage.database import Database

    make_state_folder(settings)
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


def make_weights_folder(settings: Settings) -> None:
    """The folder of weights and of WordNet; where it lies in STATE_DIR, that is made for this user alone.

    What cannot be made here is named by whoever writes into it.
    """
    folder = settings.resolved_weights_dir
    with suppress(OSError):
        if settings.state_dir in folder.parents:
            settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(parents=True, exist_ok=True)


def make_state_folder(settings: Settings) -> None:
    """STATE_DIR, for this user alone where it is new; one that others may read is left so and named in the log.

    Raises:
        SettingsError: it cannot be made.
    """
    folder = settings.state_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        open_to_others = folder.stat().st_mode & 0o007
    except OSError as error:
        raise SettingsError(f"STATE_DIR: the folder {folder} cannot be made: {error.strerror}.") from None
    if open_to_others:
        log.warning("STATE_DIR: other users of this machine may look into %s; `chmod 700` keeps them out", folder)


def migrate_database(settings: Settings) -> None:
    """Bring the database and STATE_DIR up to date, before the processes that work with them open them.

    Raises:
        SettingsError: it cannot be reached or used.
    """
    with open_database(settings):
        pass
    try:
        for path in end_replacements(settings.state_dir):
            log.warning("%s was put back: the process that replaced it was killed", path)
    except OSError as error:
        log.error("what a killed process left in STATE_DIR cannot be removed: %s", error.strerror)
