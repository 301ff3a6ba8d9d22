"""Servers that tests of any kind may ask for: started when first asked for, skipped where they are not installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.database_servers import fresh_database, postgresql_programs, postgresql_server, redis_server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "both_databases: what uses the fixture `database_url` runs on SQLite and PostgreSQL"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed (Debian, Ubuntu: apt install postgresql)")
    with postgresql_server(programs) as url:
        yield url


@pytest.fixture
def postgresql_database(postgresql: str) -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL database of the test's own."""
    with fresh_database(postgresql) as url:
        yield url


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The address of a Redis server of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis's server is not installed (Debian, Ubuntu: apt install redis-server)")
    with redis_server(program) as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """DATABASE_URL: empty for SQLite, or a PostgreSQL database of the test's own (marker `both_databases`)."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_database"))
