"""Servers that tests of any kind may ask for: started when first asked for, skipped where they are not installed."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.database_servers import Server, fresh_database, postgresql_programs, postgresql_server, redis_server

if TYPE_CHECKING:
    from tests.application import AppFactory, Application

# What a clone or a machine need not have: more and harder photos, another library to compare with, IPv6.
MAY_BE_SKIPPED = (
    "the shared photographs are not here",
    "dependency group `bench`",  # `make bench` installs it
    "this machine has no ::1",
)
MAX_WITH_SERVERS = 6  # processes that may each start a Label Studio and a backend: some 2 GB


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Under CI=true a test that is skipped has failed: something that it needs was not installed."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in MAY_BE_SKIPPED):
            report.outcome = "failed"
            report.longrepr = f"{reason} (CI=true: this test has to run)"
    return report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core; where tests that wait for servers are among them one more, which computes meanwhile."""
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr == "unit" else min(cores + 1, MAX_WITH_SERVERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast unit tests first; then what waits for servers and what computes in turn, the longest first.

    A long module at the end would leave one process alone with it.
    """
    modules: dict[tuple[bool, bool, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        waits, long = (item.get_closest_marker(name) is not None for name in ("e2e", "long"))
        modules[waits, long, item.nodeid.split("::")[0]].append(item)
    kinds = defaultdict(list)
    for waits, long, name in sorted(modules):
        kinds[waits, long].append(modules[waits, long, name])
    waiting = kinds[True, True] + kinds[True, False]
    ordered = kinds[False, False] + [
        module for pair in zip_longest(waiting, kinds[False, True]) for module in pair if module
    ]
    items[:] = [item for module in ordered for item in module]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed (Debian, Ubuntu: apt install postgresql)")
    with postgresql_server(programs) as server:
        yield server.url


@pytest.fixture
def postgresql_of_test() -> Iterator[Server]:
    """A PostgreSQL server of the test's own, to be stopped and started."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed (Debian, Ubuntu: apt install postgresql)")
    with postgresql_server(programs) as server:
        yield server


@pytest.fixture
def postgresql_database(postgresql: str) -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL database of the test's own."""
    with fresh_database(postgresql) as url:
        yield url


@pytest.fixture
def redis_url(redis_of_test: Server) -> str:
    """The address of a Redis server of the test's own."""
    return redis_of_test.url


@pytest.fixture
def redis_of_test() -> Iterator[Server]:
    """A Redis server of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis's server is not installed (Debian, Ubuntu: apt install redis-server)")
    with redis_server(program) as server:
        yield server


@pytest.fixture
def app_factory(tmp_path: Path, database_url: str) -> Iterator[AppFactory]:
    """Makes installations of the product in this process; keyword arguments are settings. Closed at the end."""
    from tests.application import Application, installation_settings  # loads for seconds

    made: list[Application] = []

    def make(*, patience: float = 30.0, **settings: Any) -> Application:
        made.append(Application(installation_settings(tmp_path, database_url, **settings), patience))
        return made[-1]

    yield make
    for application in made:
        application.close()


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """DATABASE_URL: empty for SQLite, or a PostgreSQL database of the test's own (marker `both_databases`)."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_database"))
