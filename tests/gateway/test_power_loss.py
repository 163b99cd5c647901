"""The power goes at each sync of the gateway's own writing: no intent it acted on is lost, no page damaged.

The gateway's real code trades on a disk that notes writes and syncs; each state the disk may be left in is
opened again. With `synchronous=NORMAL` the same states must show losses: else the test would prove nothing.
WORKBENCH_POWER_STATES sets how many states are tried, for long runs.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from tests.gateway.bench import Room, buy, made_up_bars
from tests.gateway.power import Acknowledged, Event, NotingDisk, State, Sync, states, write_files
from tests.gateway.strategies import patient
from workbench.gateway.journal import verify_journal
from workbench.market import Bars
from workbench.store import open_store, sqlite_library
from workbench.store.schema import intents

STATES = int(os.environ.get("WORKBENCH_POWER_STATES", "2000"))
NAME = "gateway.db"


@dataclass
class Recording:
    """What a gateway wrote."""

    start: dict[str, bytes]
    events: list[Event]
    home: Path
    bars: Bars


class PoweredRoom(Room):
    """A desk whose store lies on a noting disk."""

    disk: NotingDisk
    synchronous: str

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self.engine = open_store(self.url, vfs=self.disk.name)

        @sa.event.listens_for(self.engine, "connect")
        def set_up(connection: Any, record: Any) -> None:
            if self.synchronous:
                connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            connection.execute("PRAGMA wal_autocheckpoint = 60")  # checkpoints are to be met too

        self.engine.dispose()
        self.start()


def record(folder: Path, *, synchronous: str) -> Recording:
    """Trade: orders of all kinds, cancels, changes, a denial and a kill, each step acknowledged."""
    path = folder / NAME
    url = f"sqlite:///{path}"
    open_store(url).dispose()
    start = {NAME: path.read_bytes()}
    bars = made_up_bars(24)
    disk = NotingDisk(f"noting-{folder.name}")
    room: PoweredRoom | None = None

    def told(boundary: str) -> None:
        if room is not None and boundary.startswith("after "):
            disk.events.append(Acknowledged(room.desk.ledger.length))

    kind = type("Powered", (PoweredRoom,), {"disk": disk, "synchronous": synchronous})
    room = kind(url=url, home=folder / "home", bars=bars, at_boundary=told)
    kernel = room.open(decide=patient)
    kernel.run(most=14)
    kernel.submit(buy(10**9, "too-large"))
    room.act("kill", scope="all", reason="the power may go")
    room.act("unkill", scope="all", reason="it came back")
    kernel.run()
    room.engine.dispose()
    disk.unregister()
    return Recording(start=start, events=disk.events, home=room.home, bars=bars)


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of databases are written and read."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="wb-power-", dir=shared if shared.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def full(memory: Path) -> Recording:
    """As the gateway opens its store: nothing is said about `synchronous` here."""
    folder = memory / "full"
    folder.mkdir()
    return record(folder, synchronous="")


def drawn(recording: Recording, *, most: int, seed: int = 1) -> Iterator[State]:
    """Around `most` states: the lost and the kept ones of every sync, and mixtures."""
    syncs = sum(isinstance(event, Sync) for event in recording.events)
    torn = max(1, round(most / syncs) - 3)
    rng = np.random.default_rng(seed)
    return states(recording.events, start=recording.start, rng=rng, torn=torn)


def looked_at(state: State, folder: Path) -> str:
    """What is wrong with a disk, empty for nothing."""
    write_files(state, folder)
    try:
        return _fault(state, folder)
    except sqlite3.DatabaseError as error:
        return f"damaged: {error}"


def _fault(state: State, folder: Path) -> str:
    uri = f"{(folder / NAME).as_uri()}?mode=rw"
    with closing(sqlite_library.connect(uri, timeout_ms=100)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        if [tuple(row) for row in found] != [("ok",)]:
            return f"damaged: {found[:3]}"
        rows = connection.execute("SELECT seq, kind, body FROM journal ORDER BY seq").fetchall()
        stored = {row[0]: row[1] for row in connection.execute("SELECT client_order_id, state FROM intents")}
    if [row[0] for row in rows] != list(range(1, len(rows) + 1)):
        return "the journal has a gap"
    if len(rows) < state.acknowledged:
        return f"lost: {state.acknowledged} records were acknowledged, {len(rows)} are there"
    written = {
        json.loads(body)["client_order_id"]
        for _, kind, body in rows
        if kind in ("order.intent", "order.denied")
    }
    return "" if written == set(stored) else f"journal and table differ in {written ^ set(stored)}"


def faults(found: Iterator[State], folder: Path) -> tuple[int, Counter[str]]:
    """How many states were looked at, and what was wrong with them."""
    folder.mkdir(exist_ok=True)
    count, wrong = 0, Counter[str]()
    for state in found:
        count += 1
        fault = looked_at(state, folder)
        if fault:
            wrong[fault.split(":")[0]] += 1
    return count, wrong


def test_the_recording_holds_what_a_gateway_does(full: Recording) -> None:
    kinds = Counter(type(event).__name__ for event in full.events)
    assert kinds["Sync"] > 100
    assert kinds["Acknowledged"] > 80
    assert any(isinstance(event, Sync) and event.name == NAME for event in full.events), "no checkpoint"


def test_no_acknowledged_record_is_lost_at_any_sync(full: Recording, memory: Path) -> None:
    count, wrong = faults(drawn(full, most=STATES), memory / "states")
    assert wrong == Counter()
    assert count >= 0.8 * STATES


def test_normal_synchronization_is_caught(memory: Path) -> None:
    folder = memory / "normal"
    folder.mkdir()
    recording = record(folder, synchronous="NORMAL")
    asked = Recording(recording.start, _as_often(recording.events), recording.home, recording.bars)
    count, wrong = faults(drawn(asked, most=200), memory / "normal-states")
    assert wrong["lost"] > count / 4
    assert set(wrong) == {"lost"}  # NORMAL loses the last commits; it damages nothing


def test_a_disk_that_does_not_sync_at_all_is_caught(full: Recording, memory: Path) -> None:
    """The states themselves bite: with the syncs of the log taken away, commits are lost."""
    without = [event for event in full.events if not (isinstance(event, Sync) and event.name != NAME)]
    recording = Recording(full.start, without, full.home, full.bars)
    _, wrong = faults(drawn(recording, most=60), memory / "unsynced")
    assert wrong["lost"] + wrong["damaged"] > 0


def test_a_gateway_starts_from_any_of_them(full: Recording, memory: Path, tmp_path: Path) -> None:
    found = [state for state in drawn(full, most=400, seed=2) if state.acknowledged > 1]
    for number, state in enumerate(found[:: len(found) // 12]):
        folder = memory / f"start-{number}"
        folder.mkdir()
        write_files(state, folder)
        home = tmp_path / f"home-{number}"
        shutil.copytree(full.home, home)
        room = Room(url=f"sqlite:///{folder / NAME}", home=home, bars=full.bars)
        assert room.shown()["state"] in ("running", "finished")
        assert room.desk.ledger.length >= state.acknowledged
        assert verify_journal(room.engine).fault == ""
        left = {row["state"] for row in room.rows(intents)}
        assert "INTENT" not in left  # each was handed over, once, or taken back
        room.engine.dispose()


def _as_often(events: list[Event]) -> list[Event]:
    """A sync of nothing at each acknowledgement, so that the power may go there too."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if isinstance(event, Acknowledged):
            found.append(Sync("nothing"))
    return found
