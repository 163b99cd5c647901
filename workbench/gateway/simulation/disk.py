"""The gateway's real store on a disk that fails when told to: full, locked, slow, gone, or without power."""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.gateway.simulation.clock import SimulatedClock
from workbench.store import open_store

__all__ = ["SimulatedDisk"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory where the system has one
_MESSAGES = {
    "io": "disk I/O error",
    "full": "database or disk is full",
    "locked": "database is locked",
    "lost": "server closed the connection unexpectedly",
}


class SimulatedDisk:
    """An SQLite store of its own for each run, made from one template; open it once a process.

    A power cut keeps what was synced. With ``synchronous=FULL`` that is every commit; with NORMAL it is what
    the last checkpoint of the log wrote: sqlite.org/pragma.html#pragma_synchronous.
    """

    pragmas: tuple[str, ...] = ()  # of each connection, after the store's own

    def __init__(self, clock: SimulatedClock) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="workbench-simulation-", dir=_MEMORY if _MEMORY.is_dir() else None
        )
        folder = Path(self._folder.name)
        self._template, self.path = folder / "template.db", folder / "gateway.db"
        open_store(f"sqlite:///{self._template}").dispose()
        with sqlite3.connect(self._template) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        self.clock = clock
        self.failure = ""  # of _MESSAGES, or "slow" or "outcome"
        self.commits = 0
        shutil.copyfile(self._template, self.path)
        self.engine = open_store(f"sqlite:///{self.path}")
        self._listen()

    def close(self) -> None:
        """Give everything back."""
        self.engine.dispose()
        self._folder.cleanup()

    def reset(self, clock: SimulatedClock) -> None:
        """An empty store, healthy."""
        self.engine.dispose()
        self.clock, self.failure, self.commits = clock, "", 0
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.rmtree(self.path.parent / "kills", ignore_errors=True)
        shutil.copyfile(self._template, self.path)

    def cut_power(self) -> None:
        """Keep what was synced, lose the rest; every connection is gone."""
        with self.engine.connect() as connection:
            full = connection.scalar(sa.text("PRAGMA synchronous")) == 2
        if full:
            self.engine.dispose()
            return
        # what reached the disk is the database file alone: its log was never synced
        kept = self.path.read_bytes()
        self.engine.dispose()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.path.write_bytes(kept)

    def _listen(self) -> None:
        @sa.event.listens_for(self.engine, "connect")
        def hurry(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            for pragma in self.pragmas:
                connection.execute(pragma)

        @sa.event.listens_for(self.engine, "begin")
        def begin(connection: sa.Connection) -> None:
            if self.failure == "locked" and connection.get_execution_options().get("workbench_immediate"):
                raise _error("BEGIN IMMEDIATE", "locked")

        @sa.event.listens_for(self.engine, "commit")
        def commit(connection: sa.Connection) -> None:
            self.commits += 1
            if self.failure == "slow":
                self.clock.advance(0.3)
            elif self.failure == "outcome":
                connection.exec_driver_sql("COMMIT")
                raise _error("COMMIT", "lost")
            elif self.failure in ("io", "full", "lost"):
                raise _error("COMMIT", self.failure)


def _error(statement: str, failure: str) -> sa.exc.OperationalError:
    return sa.exc.OperationalError(statement, {}, sqlite3.OperationalError(_MESSAGES[failure]))
