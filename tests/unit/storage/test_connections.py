"""Connections to a PostgreSQL that ended meanwhile: found out after a pause, without a question in each transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from backend.storage.database import PING_AFTER, Database

pytestmark = pytest.mark.unit


@pytest.fixture
def database(postgresql_database: str) -> Iterator[Database]:
    found = Database(postgresql_database)
    yield found
    found.close()


def last_question(database: Database, backend: int) -> str:
    """What a server process was asked last."""
    with psycopg.connect(database.url.render_as_string().replace("+psycopg", "")) as watcher:
        row = watcher.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", (backend,)).fetchone()
    assert row is not None
    return str(row[0])


def process_of(database: Database) -> int:
    with database.session() as session:
        return int(session.scalar(text("SELECT pg_backend_pid()")) or 0)


def end(database: Database, backend: int) -> None:
    with psycopg.connect(database.url.render_as_string().replace("+psycopg", "")) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (backend,))


def test_a_transaction_that_follows_at_once_asks_nothing_more(database: Database) -> None:
    backend = process_of(database)
    with database.session() as session:
        session.connection()  # is taken from the pool
        assert last_question(database, backend) == "COMMIT"
    time.sleep(PING_AFTER + 0.1)
    with database.session() as session:
        session.connection()
        assert last_question(database, backend) != "COMMIT"


def test_a_connection_that_ended_in_a_pause_is_replaced(database: Database) -> None:
    first = process_of(database)
    end(database, first)
    time.sleep(PING_AFTER + 0.1)
    assert process_of(database) != first


def test_one_that_ends_between_two_transactions_fails_once(database: Database) -> None:
    first = process_of(database)
    end(database, first)
    with pytest.raises(OperationalError):
        process_of(database)
    assert process_of(database) != first
