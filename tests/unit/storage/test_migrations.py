"""The database as the migrations make it, in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from backend.storage.database import Database
from backend.storage.schema import Base, Project, Task

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

PROCESSES = 3


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> str:
    return database_url or f"sqlite:///{tmp_path / 'backend.sqlite3'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    database.migrate()
    yield database
    database.close()


def test_the_migrations_make_what_the_schema_says(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_keeps_what_is_there(database: Database) -> None:
    with database.session() as session:
        session.add(Project(id=7, title="Sports"))
        session.flush()
        session.add(Task(project_id=7, task_id=2**40, data={"photo": "a.jpg"}))
    database.migrate()
    with database.session() as session:
        assert session.get_one(Project, 7).title == "Sports"
        assert session.get_one(Task, (7, 2**40)).data == {"photo": "a.jpg"}


def test_of_processes_that_start_together_one_migrates(url: str) -> None:
    together = Barrier(PROCESSES)

    def start() -> list[str]:
        database = Database(url)
        together.wait()
        database.migrate()
        tables = inspect(database.engine).get_table_names()
        database.close()
        return sorted(tables)

    with ThreadPoolExecutor(PROCESSES) as pool:
        started = [pool.submit(start) for _ in range(PROCESSES)]
        tables = [one.result() for one in started]
    assert tables == [sorted([*Base.metadata.tables, "alembic_version"])] * PROCESSES


def test_an_insert_tells_whether_it_changed_anything(database: Database) -> None:
    insert = database.insert(Project).values(id=7)
    with database.session() as session:
        assert session.execute(insert.on_conflict_do_nothing()).rowcount == 1  # type: ignore[attr-defined]
        assert session.execute(insert.on_conflict_do_nothing()).rowcount == 0  # type: ignore[attr-defined]
        only_where = insert.on_conflict_do_update(
            index_elements=["id"], set_={"title": "new"}, where=Project.title != "new"
        )
        assert session.execute(only_where).rowcount == 1  # type: ignore[attr-defined]
        assert session.execute(only_where).rowcount == 0  # type: ignore[attr-defined]
