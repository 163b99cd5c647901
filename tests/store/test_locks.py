"""Opening a store never drops the locks that other connections of the same process hold on its file."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from workbench.store import open_store

_PROBE = """
import fcntl, struct, sys
# F_GETLK for a write lock over the range of the shared lock (SQLite, os_unix.c: SHARED_FIRST, SHARED_SIZE)
with open(sys.argv[1], "rb+") as file:
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0x40000002, 510, 0)
    kind = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, asked))[0]
print("locked" if kind != fcntl.F_UNLCK else "free")
"""


def _seen_by_another_process(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    return done.stdout.strip()


def test_opening_a_store_again_leaves_the_locks_of_the_first_in_place(tmp_path):
    assert fcntl.F_GETLK  # POSIX locks: what SQLite uses
    path = tmp_path / "workbench.db"
    first = open_store(f"sqlite:///{path}")
    with first.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM trials")).all()
        assert _seen_by_another_process(path) == "locked"
        open_store(f"sqlite:///{path}").dispose()
        assert _seen_by_another_process(path) == "locked"


def test_two_processes_that_open_and_write_again_and_again_leave_a_sound_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'workbench.db'}"
    open_store(url).dispose()
    writer = """
import sys
import sqlalchemy as sa
from workbench.store import open_store, schema
url, name = sys.argv[1:]
kept = open_store(url)
for i in range(60):
    with kept.begin() as connection:
        connection.execute(sa.insert(schema.ideas).values(id=f"{name}-{i}", name="x" * 500, created_ns=i))
    again = open_store(url)
    with again.begin() as connection:
        row = {"id": f"{name}-again-{i}", "name": "x" * 500, "created_ns": i}
        connection.execute(sa.insert(schema.ideas).values(row))
    again.dispose()
"""
    children = [subprocess.Popen([sys.executable, "-c", writer, url, name]) for name in ("a", "b")]
    assert [child.wait(120) for child in children] == [0, 0]
    engine = open_store(url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
        assert connection.execute(sa.text("SELECT count(*) FROM ideas")).scalar() == 240
