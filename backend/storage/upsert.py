"""An INSERT that knows ON CONFLICT, in the dialect of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from backend.storage.schema import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert

Upsert: TypeAlias = "SqliteInsert | PostgresqlInsert"


def insert_into(table: type[Base], dialect: str) -> SqliteInsert | PostgresqlInsert:
    """INSERT for `table`; `dialect` is the engine's name of its database, sqlite or postgresql.

    Its result has the `rowcount` of what was inserted or updated, which SQLAlchemy else leaves at -1 on PostgreSQL.
    """
    if dialect != "postgresql":
        return sqlite_insert(table).execution_options(preserve_rowcount=True)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert  # brings a driver along

    return postgresql_insert(table).execution_options(preserve_rowcount=True)
