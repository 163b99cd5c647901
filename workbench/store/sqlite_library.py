"""Which SQLite the stores are opened with: the interpreter's own, or APSW's where that one is too old.

SQLite before 3.51.3 can damage a WAL database that two connections write to or checkpoint at the same
moment (the "WAL-reset bug", sqlite.org/wal.html#walresetbug). All stores of one process are opened with one
library: two in one process would drop each other's locks on a file (sqlite.org/howtocorrupt.html, 2.2.1).

APSW is no DB-API driver; `Connection` and `Cursor` here are as much of one as SQLAlchemy asks of `sqlite3`,
with the errors of `sqlite3`, so that nothing else needs to know which library it is.
"""

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import apsw

__all__ = ["FLOOR", "Connection", "Cursor", "connect", "dbapi", "library_name", "sqlite_version"]

FLOOR = (3, 51, 3)
"""The first SQLite that more than one connection may write with."""


def library_name() -> str:
    """The library in use: `sqlite3` or `apsw`."""
    return "sqlite3" if sqlite3.sqlite_version_info >= FLOOR else "apsw"


def sqlite_version() -> str:
    """The version of SQLite that the stores of this process are opened with."""
    return sqlite3.sqlite_version if library_name() == "sqlite3" else apsw.sqlite_lib_version()


def connect(uri: str, *, timeout_ms: int, vfs: str | None = None) -> Any:
    """Open a database by its `file:` URI; transactions begin when they are told to.

    Parameters
    ----------
    timeout_ms
        How long a lock is waited for.
    vfs
        Name of the file system to use, of those that APSW knows; None for that of the machine.
    """
    if vfs is None and library_name() == "sqlite3":
        return sqlite3.connect(
            uri, uri=True, timeout=timeout_ms / 1_000, check_same_thread=False, isolation_level=None
        )
    return Connection(uri, timeout_ms=timeout_ms, vfs=vfs)


def dbapi() -> Any:
    """The driver module to give SQLAlchemy with connections of `connect`."""
    return sqlite3 if library_name() == "sqlite3" else _MODULE


class Connection:
    """A connection of APSW that answers as one of `sqlite3` in its autocommit mode."""

    def __init__(self, uri: str, *, timeout_ms: int, vfs: str | None = None) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        self.isolation_level: str | None = None  # set by SQLAlchemy; transactions begin when told to
        try:
            self._db = apsw.Connection(uri, flags=flags, vfs=vfs)
            self._db.set_busy_timeout(timeout_ms)
        except apsw.Error as error:
            raise _as_sqlite3(error) from error

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        return self._db.in_transaction

    @property
    def total_changes(self) -> int:
        """Rows changed since it was opened."""
        return self._db.total_changes()

    def cursor(self) -> "Cursor":
        """A new cursor."""
        return Cursor(self._db)

    def execute(self, sql: str, parameters: Any = ()) -> "Cursor":
        """A new cursor that has executed `sql`."""
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        """End the transaction, if one has begun."""
        if self._db.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one has begun."""
        if self._db.in_transaction:
            self.execute("ROLLBACK")

    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        """Make a function known to SQL."""
        try:
            self._db.create_scalar_function(name, func, narg, deterministic=deterministic)
        except apsw.Error as error:
            raise _as_sqlite3(error) from error

    def interrupt(self) -> None:
        """End what it is doing, from another thread."""
        self._db.interrupt()

    def close(self) -> None:
        """Close it."""
        try:
            self._db.close()
        except apsw.Error as error:
            raise _as_sqlite3(error) from error


class Cursor:
    """A cursor of APSW that answers as one of `sqlite3`."""

    arraysize = 1

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._cursor = db.cursor()
        self._columns: list[Any] = []
        self._cursor.exec_trace = _noting(self._columns)
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, sql: str, parameters: Any = ()) -> "Cursor":
        """Run one statement."""
        self.description, self.rowcount = None, -1
        self._columns.clear()
        try:
            self._cursor.execute(sql, parameters)
        except apsw.Error as error:
            raise _as_sqlite3(error) from error
        if self._columns:
            self.description = tuple((item[0], *(None,) * 6) for item in self._columns)
        else:
            self.rowcount = self._db.changes() if _changes_rows(sql) else -1
            self.lastrowid = self._db.last_insert_rowid()
        return self

    def executemany(self, sql: str, parameters: Iterable[Any]) -> "Cursor":
        """Run one statement for each set of parameters."""
        self.description = None
        before = self._db.total_changes()
        try:
            self._cursor.executemany(sql, parameters)
        except apsw.Error as error:
            raise _as_sqlite3(error) from error
        self.rowcount = self._db.total_changes() - before
        return self

    def fetchone(self) -> Any:
        """The next row; None at the end."""
        try:
            return next(self._cursor, None)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise _as_sqlite3(error) from error

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows."""
        try:
            return list(itertools.islice(self._cursor, size or self.arraysize))
        except (apsw.Error, UnicodeDecodeError) as error:
            raise _as_sqlite3(error) from error

    def fetchall(self) -> list[Any]:
        """All further rows."""
        try:
            return self._cursor.fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            raise _as_sqlite3(error) from error

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def close(self) -> None:
        """Close it; what is left is not read."""
        self._cursor.close(True)


def _noting(columns: list[Any]) -> Callable[..., bool]:
    """What writes down a statement's columns as it begins: later, with no row left, they are not told.

    It knows no cursor, so that one nobody holds any more ends at once, and its statement with it.
    """

    def note(cursor: apsw.Cursor, sql: str, parameters: Any) -> bool:
        columns[:] = cursor.get_description()
        return True

    return note


def _changes_rows(sql: str) -> bool:
    return sql.lstrip()[:7].upper() in ("INSERT ", "UPDATE ", "DELETE ", "REPLACE")


_KINDS: tuple[tuple[type[Exception], type[sqlite3.Error]], ...] = (
    (apsw.ConstraintError, sqlite3.IntegrityError),
    (apsw.NotADBError, sqlite3.DatabaseError),
    (apsw.CorruptError, sqlite3.DatabaseError),
    (apsw.TooBigError, sqlite3.DataError),
    (apsw.MismatchError, sqlite3.IntegrityError),
    (apsw.InternalError, sqlite3.InternalError),
    (apsw.MisuseError, sqlite3.InterfaceError),
    (apsw.BindingsError, sqlite3.ProgrammingError),
    (apsw.ConnectionClosedError, sqlite3.ProgrammingError),
    (apsw.CursorClosedError, sqlite3.ProgrammingError),
    (apsw.ThreadingViolationError, sqlite3.ProgrammingError),
    (apsw.Error, sqlite3.OperationalError),
)


def _as_sqlite3(error: apsw.Error | UnicodeDecodeError) -> sqlite3.Error:
    """APSW's error as one of `sqlite3`."""
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.OperationalError(f"Could not decode to UTF-8: {error}")  # a damaged file
    if isinstance(error, apsw.ConnectionClosedError):
        return sqlite3.ProgrammingError("Cannot operate on a closed database.")
    kind = next(ours for theirs, ours in _KINDS if isinstance(error, theirs))
    return kind(str(error))


_MODULE = SimpleNamespace(
    **{
        name: getattr(sqlite3, name)
        for name in (
            *("Error", "Warning", "InterfaceError", "DatabaseError", "DataError", "OperationalError"),
            *("IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"),
            *("Binary", "PARSE_DECLTYPES", "PARSE_COLNAMES"),
        )
    },
    apilevel="2.0",
    paramstyle="qmark",
    threadsafety=1,
    version=apsw.apsw_version(),
    sqlite_version=apsw.sqlite_lib_version(),
    sqlite_version_info=tuple(int(part) for part in apsw.sqlite_lib_version().split(".")),
    connect=connect,
)
