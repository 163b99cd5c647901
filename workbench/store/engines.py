"""Opening a store: SQLite in one file, or PostgreSQL through psycopg 3.

On SQLite `engine.begin()` takes the write lock at once (``BEGIN IMMEDIATE``), so that a transaction
that reads and then writes waits for its turn instead of failing with "database is locked";
`engine.connect()` begins deferred, for reading beside a writer.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import BaseFileLock, FileLock

from workbench.store.errors import NewerDatabaseError, StoreMissingError, StoreUrlError
from workbench.store.migrations import HEAD, KNOWN
from workbench.store.sqlite_library import connect, dbapi, library_name

__all__ = ["database_name", "open_store", "read_only", "upgrade", "writing_connection"]

_BUSY_TIMEOUT_MS = 5_000
_LOCK_TIMEOUT_S = 60.0
_ADVISORY_LOCK = 0x666F7265780001  # any number that only this package uses
_IMMEDIATE = "workbench_immediate"


class _SqliteEngine(sa.Engine):
    """An engine whose `begin()` takes SQLite's write lock before the first statement."""

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        with writing_connection(self) as connection, connection.begin():
            yield connection


def writing_connection(engine: sa.Engine) -> sa.Connection:
    """A connection to keep; on SQLite each of its transactions takes the write lock when it begins."""
    return engine.connect().execution_options(**{_IMMEDIATE: True})


def open_store(url: str, *, vfs: str | None = None) -> sa.Engine:
    """The store at `url`, created when missing and brought to this version's schema.

    Many processes may open a new store at the same moment: one sets it up, the others wait for it.

    Parameters
    ----------
    vfs
        Of SQLite: a file system that APSW knows under this name, instead of the machine's.

    Raises
    ------
    StoreUrlError
        Not an SQLite file or a PostgreSQL database.
    NewerDatabaseError
        A newer workbench has written it.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _prepare_file(_file(parsed))
    engine = _engine(parsed, vfs=vfs)
    try:
        if _revision(engine) != HEAD:
            _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def upgrade(url: str) -> str:
    """Bring the store at `url` to this version's schema; the revision it is at afterwards."""
    open_store(url).dispose()
    return HEAD


def read_only(url: str) -> sa.Engine:
    """The store at `url` for somebody who may only look: every write is refused by the database.

    Raises
    ------
    StoreMissingError
        There is no database, or it is not at this version's schema; `open_store` sets it up.
    NewerDatabaseError
        A newer workbench has written it.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite" and not _file(parsed).is_file():
        raise StoreMissingError(
            f"expected a database at {_file(parsed)}, found none; start the workbench once"
        )
    engine = _engine(parsed, writable=False)
    try:
        found = _revision(engine)
        if found != HEAD:
            raise StoreMissingError(
                f"expected the database at revision {HEAD}, found {found or 'none'}; "
                "start this version of the workbench once, it brings the database up to date"
            )
    except BaseException:
        engine.dispose()
        raise
    return engine


def database_name(engine: sa.Engine) -> str:
    """Which database a store is, and its version: ``SQLite 3.54.1 (apsw)``, ``PostgreSQL 15.4``."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            return f"SQLite {connection.scalar(sa.text('SELECT sqlite_version()'))} ({library_name()})"
        found = str(connection.scalar(sa.text("SHOW server_version")))
        return f"PostgreSQL {found.split()[0]}"


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreUrlError(
            f"expected a URL like sqlite:////folder/workbench.db or postgresql://user@host/name, "
            f"found {url!r}"
        ) from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database.startswith((":memory:", "file:")):
            raise StoreUrlError(
                f"expected an SQLite file, as in sqlite:////folder/workbench.db, found {url!r}; "
                "a store in memory is lost with the process"
            )
        return parsed
    raise StoreUrlError(f"expected an sqlite or postgresql URL, found {parsed.drivername!r}")


def _file(url: sa.URL) -> Path:
    return Path(str(url.database))


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_TIMEOUT_S)


def _prepare_file(path: Path) -> None:
    """Create the file in WAL mode, which it then keeps; the change itself does not wait for others.

    The file is looked at through SQLite alone. Opening and closing it in any other way would drop the locks
    that this process's other connections hold on it, and another process could then reset the log they
    write to: sqlite.org/howtocorrupt.html, 2.2.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and _mode(path) == "wal":
        return
    with _lock(path), closing(connect(_uri(path, "rwc"), timeout_ms=_BUSY_TIMEOUT_MS)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _mode(path: Path) -> str:
    with closing(connect(_uri(path, "rwc"), timeout_ms=_BUSY_TIMEOUT_MS)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _uri(path: Path, mode: str) -> str:
    return f"{path.resolve().as_uri()}?mode={mode}"


def _engine(url: sa.URL, *, writable: bool = True, vfs: str | None = None) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, writable=writable, vfs=vfs)
    options = "" if writable else "-c default_transaction_read_only=on"
    return sa.create_engine(url, pool_pre_ping=True, connect_args={"options": options} if options else {})


def _sqlite(url: sa.URL, *, writable: bool, vfs: str | None) -> sa.Engine:
    path = _file(url)
    mode = "rwc" if writable else "ro"
    plain = sa.create_engine(
        url,
        module=dbapi(),
        creator=lambda: connect(_uri(path, mode), timeout_ms=_BUSY_TIMEOUT_MS, vfs=vfs),
    )
    engine = _SqliteEngine(plain.pool, plain.dialect, plain.url)

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # so INSERT OR REPLACE meets the triggers too
        if writable:
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        words = "BEGIN IMMEDIATE" if immediate else "BEGIN"
        kind = connection.dialect.loaded_dbapi.Error
        try:  # past SQLAlchemy's own way, which takes longer than the statement
            connection.connection.dbapi_connection.execute(words)  # type: ignore[union-attr]
        except kind as error:
            raise sa.exc.DBAPIError.instance(words, None, error, kind, dialect=connection.dialect) from error

    return engine


def _revision(engine: sa.Engine) -> str:
    """The schema's revision, empty for a new database.

    Raises
    ------
    NewerDatabaseError
        A revision this version does not know.
    """
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""
    if found and found not in KNOWN:
        raise NewerDatabaseError(
            f"expected a database at revision {HEAD} or older, found {found} at "
            f"{engine.url.render_as_string(hide_password=True)}; start the newer workbench that wrote it"
        )
    return str(found)


def _migrate(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        with _lock(_file(engine.url)):
            _run_migrations(engine)
    else:
        with engine.connect() as guard:  # a lock of the server: the others may be on other machines
            guard.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            _run_migrations(engine)


def _run_migrations(engine: sa.Engine) -> None:
    if _revision(engine) == HEAD:
        return  # another process was faster
    from alembic import command  # only a new or older database pays for the import
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
