"""Every schema that was ever released, with rows in each of its tables, upgrades to the present one: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from backend.jobs.ledger import JobLedger
from backend.storage.database import MIGRATIONS, Database
from backend.storage.schema import Base

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

PROJECTS = (7, 8)
RENAMED = {("model_version", "recipe"): "learner"}
STAMP = datetime(2025, 12, 31, 23, 59, 58, 123456, UTC)
Rows = dict[str, list[dict[str, Any]]]


def script() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


REVISIONS = sorted(item.revision for item in ScriptDirectory.from_config(script()).walk_revisions())


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    database = Database(database_url or f"sqlite:///{tmp_path / 'backend.sqlite3'}")
    yield database
    database.close()


def tables(connection: sa.Connection) -> list[sa.Table]:
    """What is there, parents first."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def value(column: sa.Column[Any], project: int) -> Any:
    """A value that shows where something is cut off, rounded, or read in another way."""
    if column.name in ("project_id", "id") and not isinstance(column.type, sa.String):
        return project
    if column.name == "status":
        return "queued" if project == PROJECTS[0] else "done"
    kinds: list[tuple[type[Any], Any]] = [
        (sa.JSON, {"Fußball": [1, 2.5, None, "é \u2028"], "of": project}),
        (sa.Boolean, True),
        (sa.DateTime, STAMP),
        (sa.BigInteger, 2**53 + project),
        (sa.Integer, 2**31 - project),
        (sa.Float, 1 / 3),
        (sa.LargeBinary, bytes(range(256))),
        (sa.Text, f"{column.name} of {project}: ≤ “\n”" * 500),
        (sa.String, f"{project}é"),
    ]
    if isinstance(column.type, sa.String) and column.type.length:
        return f"{project}é"
    return next(found for kind, found in kinds if isinstance(column.type, kind))


def fill(connection: sa.Connection) -> None:
    for table in tables(connection):
        for project in PROJECTS:
            connection.execute(
                sa.insert(table).values({column.name: value(column, project) for column in table.columns})
            )


def rows(connection: sa.Connection) -> Rows:
    return {
        table.name: [
            dict(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()
        ]
        for table in tables(connection)
    }


@pytest.mark.parametrize("revision", REVISIONS)
def test_nothing_is_lost_from(revision: str, database: Database) -> None:
    config = script()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        fill(connection)
        before = rows(connection)
    database.migrate()
    with database.engine.begin() as connection:
        after = rows(connection)
    assert after.keys() >= before.keys()
    assert set(after) == set(Base.metadata.tables)
    for name, old in before.items():
        kept = [
            {key: row[RENAMED.get((name, key), key)] for key in was} for was, row in zip(old, after[name], strict=True)
        ]
        assert kept == old
        assert len(old) == len(PROJECTS)
    # What runs today reads it all.
    with database.session() as session:
        for mapper in Base.registry.mappers:
            assert len(session.scalars(sa.select(mapper.class_)).all()) == len(before.get(mapper.local_table.name, ()))  # type: ignore[attr-defined]
    assert len(JobLedger(database).waiting(PROJECTS[0])) == 1
