"""A room for the tests: a desk over SQLite, and bars."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.bench import Room, made_up_bars
from tests.gateway.processes import Gateway, prepared
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


@pytest.fixture
def gateway(tmp_path: Path, bars: Bars, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A home with data, its gateway not started yet; ended with the test."""
    runtime = Path(tempfile.mkdtemp(prefix="wb-"))  # short: a socket's path has at most 107 bytes
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    made = Gateway(prepared(tmp_path / "home", bars))
    yield made
    if made.alive:
        made.kill()
    shutil.rmtree(runtime, ignore_errors=True)
