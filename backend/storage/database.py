"""The database: one engine, short sessions, migrations."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError, TimeoutError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from backend.storage.schema import Base
from backend.storage.upsert import insert_into

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

MIGRATIONS = Path(__file__).parent / "migrations"

OUT_OF_REACH = (OperationalError, InterfaceError, TimeoutError)
"""What the database raises whatever it is asked for."""

PING_AFTER = 1.0  # seconds without use
RETURNED = "returned"  # in a connection's notes: when it was used last

# Held to the end of the transaction; the number is only a name that nothing else takes.
_LOCK_SQLITE = "BEGIN IMMEDIATE"
_LOCK_POSTGRESQL = "SELECT pg_advisory_xact_lock(7021945)"


class Database:
    """One SQL database: SQLite in write-ahead mode on one machine, PostgreSQL for more.

    Args:
        url: SQLAlchemy's.
        patience: seconds that a writer waits for another one; SQLite only.
        durable: a commit waits for the disk, and survives the loss of power; PostgreSQL's do anyway.
        threads: that use it at the same time; each finds a connection that is open already.
    """

    def __init__(self, url: str, *, patience: float = 30.0, durable: bool = False, threads: int = 5) -> None:
        self.url = make_url(url)
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        connect_args: dict[str, Any] = {"timeout": patience, "check_same_thread": False} if self.is_sqlite else {}
        self.engine: Engine = create_engine(self.url, connect_args=connect_args, pool_size=threads, pool_use_lifo=True)
        if self.is_sqlite:
            event.listen(self.engine, "connect", partial(_tune_sqlite, durable))
        else:
            event.listen(self.engine, "checkin", _note_return)
            event.listen(self.engine, "checkout", partial(_ping_after_a_pause, self.engine))
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return self.dialect == "sqlite"

    @property
    def dialect(self) -> str:
        """The engine's name of its database: sqlite or postgresql."""
        return self.url.get_backend_name()

    @property
    def driver_error(self) -> type[Exception]:
        """What the driver raises where SQLAlchemy does not stand between."""
        found: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        return found

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end of the block, rolled back if it raises."""
        with self._sessions.begin() as session:
            yield session

    def insert(self, table: type[Base]) -> SqliteInsert | PostgresqlInsert:
        """An INSERT that knows ON CONFLICT, in the dialect of this database."""
        return insert_into(table, self.dialect)

    def insert_rows(self, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> SqliteInsert | PostgresqlInsert:
        """An INSERT of rows of equal columns. SQLAlchemy compiles a list anew each time, but that of one row only once."""
        return self.insert(table).values(rows[0] if len(rows) == 1 else list(rows))

    def migrate(self) -> None:
        """Bring the schema up to date; nothing happens where it is. Of processes that start together, one migrates."""
        from alembic import command  # loads for half a second, and only the process that starts the others migrates
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.begin() as connection:
            connection.exec_driver_sql(_LOCK_SQLITE if self.is_sqlite else _LOCK_POSTGRESQL)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def _note_return(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[RETURNED] = time.monotonic()


def _ping_after_a_pause(engine: Engine, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """See whether a server is still there before a connection is used again; not of one that was used a moment ago.

    A ping is a question more in each transaction, and while many transactions wait for their turn it is a quarter of what
    they wait for.
    """
    returned = record.info.get(RETURNED)
    if returned is None or time.monotonic() - returned < PING_AFTER:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _tune_sqlite(durable: bool, connection: Any, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers and one writer at the same time
    cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")  # both survive a killed process
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
