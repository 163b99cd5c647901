"""One SQLite for all stores of a process, new enough for several writers, and answering as `sqlite3` does."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from workbench.store import database_name, open_store, read_only, sqlite_library
from workbench.store.schema import fills, journal, trials

_RECORD = {"created_ns": 1, "kind": "k", "body": "{}", "previous": "0" * 64, "hash": "f" * 64}


@pytest.fixture(params=["sqlite3", "apsw"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each library in turn."""
    floor = (3, 0, 0) if request.param == "sqlite3" else (99, 0, 0)
    monkeypatch.setattr(sqlite_library, "FLOOR", floor)
    assert sqlite_library.library_name() == request.param
    return str(request.param)


@pytest.fixture
def pair(library: str, tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """A connection that writes and one that only reads."""
    uri = (tmp_path / "store.db").as_uri()
    writer = sqlite_library.connect(f"{uri}?mode=rwc", timeout_ms=50)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE)")
    reader = sqlite_library.connect(f"{uri}?mode=ro", timeout_ms=50)
    yield writer, reader
    reader.close()
    writer.close()


def _version(engine: sa.Engine) -> tuple[int, ...]:
    with engine.connect() as connection:
        text = str(connection.scalar(sa.text("SELECT sqlite_version()")))
    return tuple(int(part) for part in text.split("."))


def test_every_store_is_opened_with_an_sqlite_that_several_may_write_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    for engine in (open_store(url), read_only(url)):
        assert _version(engine) >= sqlite_library.FLOOR >= (3, 51, 3)
        engine.dispose()
    assert database_name(open_store(url)).startswith(f"SQLite {sqlite_library.sqlite_version()} (")
    shown = tuple(int(part) for part in sqlite_library.sqlite_version().split("."))
    assert shown >= sqlite_library.FLOOR


def test_what_one_library_writes_the_other_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(sa.insert(journal), {"seq": 1, **_RECORD})
    engine.dispose()
    other = sqlite3.connect(tmp_path / "store.db")  # nobody else in this process has it open now
    assert other.execute("SELECT seq, kind FROM journal").fetchall() == [(1, "k")]
    assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()
    monkeypatch.setattr(sqlite_library, "FLOOR", (3, 0, 0))
    engine = open_store(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(journal.c.seq)) == 1
    engine.dispose()


def test_rows_counts_and_descriptions_are_those_of_sqlite3(pair: tuple[Any, Any]) -> None:
    writer, reader = pair
    done = writer.execute("INSERT INTO t (v) VALUES (?)", ("a",))
    assert (done.rowcount, done.lastrowid, done.description) == (1, 1, None)
    many = writer.cursor().executemany("INSERT INTO t (v) VALUES (?)", [("b",), ("c",)])
    assert many.rowcount == 2
    assert writer.execute("UPDATE t SET v = v || '!' WHERE k > 1").rowcount == 2
    found = reader.execute("SELECT k, v FROM t ORDER BY k")
    assert [item[0] for item in found.description] == ["k", "v"]
    assert tuple(found.fetchone()) == (1, "a")
    assert [tuple(row) for row in found.fetchmany(1)] == [(2, "b!")]
    assert [tuple(row) for row in found] == [(3, "c!")]
    nothing = reader.execute("SELECT v FROM t WHERE k = 9")
    assert [item[0] for item in nothing.description] == ["v"]
    assert nothing.fetchall() == []


def test_commit_and_rollback_end_what_was_begun(pair: tuple[Any, Any]) -> None:
    writer, reader = pair
    writer.commit()
    writer.rollback()
    for end, expected in ((writer.rollback, 0), (writer.commit, 1)):
        writer.execute("BEGIN IMMEDIATE")
        assert writer.in_transaction
        writer.execute("INSERT INTO t (v) VALUES ('a')")
        assert reader.execute("SELECT count(*) FROM t").fetchone()[0] == 0
        end()
        assert not writer.in_transaction
        assert reader.execute("SELECT count(*) FROM t").fetchone()[0] == expected


@pytest.mark.parametrize(
    ("statement", "kind", "text"),
    [
        ("INSERT INTO t (v) VALUES (NULL)", sqlite3.IntegrityError, "NOT NULL"),
        ("INSERT INTO t (k, v) VALUES (1, 'x'), (1, 'y')", sqlite3.IntegrityError, "UNIQUE"),
        ("SELECT unknown", sqlite3.OperationalError, "no such column"),
        ("SELEC 1", sqlite3.OperationalError, "syntax error"),
    ],
)
def test_errors_are_those_of_sqlite3(
    pair: tuple[Any, Any], statement: str, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        pair[0].execute(statement)


def test_a_reader_may_not_write_and_a_lock_is_waited_for_and_named(
    pair: tuple[Any, Any], tmp_path: Path
) -> None:
    writer, reader = pair
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO t (v) VALUES ('a')")
    writer.execute("BEGIN IMMEDIATE")
    other = sqlite_library.connect(f"{(tmp_path / 'store.db').as_uri()}?mode=rwc", timeout_ms=20)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    writer.rollback()


def test_a_file_that_is_no_database_and_a_missing_one_are_named(library: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is a text, and long enough to have a header of 100 bytes" * 4)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        sqlite_library.connect(f"{(tmp_path / 'text.db').as_uri()}?mode=rw", timeout_ms=0).execute(
            "SELECT * FROM sqlite_master"
        )
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite_library.connect(f"{(tmp_path / 'none.db').as_uri()}?mode=ro", timeout_ms=0).execute("SELECT 1")


def test_a_store_works_with_each_library(library: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(sa.insert(journal), [{"seq": n, **_RECORD} for n in range(1, 5_001)])
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.insert(journal), {"seq": 1, **_RECORD})
    with engine.connect().execution_options(yield_per=100) as connection:
        assert sum(row.seq for row in connection.execute(sa.select(journal))) == 5_000 * 5_001 // 2
    with engine.begin() as connection:
        assert connection.execute(sa.select(fills)).all() == []
        assert connection.execute(sa.select(trials.c.id)).mappings().all() == []
    engine.dispose()
    with pytest.raises(sa.exc.OperationalError, match="readonly"), read_only(url).begin() as connection:
        connection.execute(sa.insert(journal), {"seq": 9_999, **_RECORD})


def test_many_processes_write_one_store_at_once_and_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_store(url).dispose()
    script = (
        "import sys, sqlalchemy as sa\n"
        "from workbench.store import open_store\n"
        "from workbench.store.schema import journal\n"
        "engine, first = open_store(sys.argv[1]), int(sys.argv[2])\n"
        "for n in range(first, first + 150):\n"
        "    with engine.begin() as connection:\n"
        "        row = dict(seq=n, created_ns=1, kind='k', body='x' * 2000, previous='0', hash='1')\n"
        "        connection.execute(sa.insert(journal), row)\n"
        "    if n % 20 == 0:\n"
        "        with engine.connect() as connection:\n"
        "            connection.exec_driver_sql('PRAGMA wal_checkpoint(RESTART)')\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, url, str(1 + 1_000 * k)]) for k in range(3)]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    engine = open_store(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(journal)) == 450
        assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"
    engine.dispose()
