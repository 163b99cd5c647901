"""A room for the tests: a desk over SQLite, and bars."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.bench import Room, made_up_bars
from workbench.market import Bars


@pytest.fixture(scope="session")
def bars() -> Bars:
    """Four days of hours."""
    return made_up_bars(96)


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path, bars: Bars) -> Iterator[Room]:
    """A desk without sockets."""
    made = Room(url=sqlite_url, home=tmp_path / "home", bars=bars)
    yield made
    made.engine.dispose()
