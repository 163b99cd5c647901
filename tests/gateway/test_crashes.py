"""The gateway killed at any moment, for real: the end is that of a run that was never interrupted."""

import re
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from tests.gateway.bench import BALANCE, Kernel, Room, buy, expected_fills, made_up_bars, opening
from tests.gateway.processes import Gateway
from tests.gateway.strategies import busy, handy, patient
from workbench.errors import BadInputError
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import Refused
from workbench.gateway.records import fill_of
from workbench.gateway.recovery import load_desk
from workbench.market import Bars
from workbench.store import open_store
from workbench.store.schema import cancels, exit_changes, fills, intents, orders

pytestmark = pytest.mark.processes


def _run_on(
    gateway: Gateway, *, die_at: int = 0, bars: Bars, decide: Any = busy
) -> tuple[Kernel | None, bool]:
    """Start, let a new kernel go on from what the gateway knows; whether it came to the end."""
    gateway.start(die_at=die_at, wait=False)
    kernel = None
    with gateway.client(timeout_s=0.5, patience_s=0.5) as client:
        operator = gateway.operator(timeout_s=0.5)
        for _ in range(200):
            try:
                operator.open(**opening("d-1", bars))
                kernel = gateway.kernel(client, decide=decide)
                kernel.attach()
                reply = kernel.run()
            except GatewayUnreachableError:
                if not gateway.alive:
                    return kernel, False
                time.sleep(0.1)  # that nobody listens yet is said at once
                continue
            assert not isinstance(reply, Refused), reply.reason
            return kernel, kernel.ended
    raise AssertionError("the gateway lives and does not answer")


def _check_books(gateway: Gateway, bars: Bars, *, decide: Any = busy) -> None:
    """Every order once, every execution once, as if nothing had happened."""
    engine = open_store(gateway.settings.gateway_store_url)
    with engine.connect() as connection:
        stored = [
            fill_of(row)
            for row in connection.execute(sa.select(fills).order_by(fills.c.broker_trade_id)).mappings()
        ]
        sent = connection.scalars(sa.select(orders.c.client_order_id)).all()
        asked = connection.execute(sa.select(intents.c.client_order_id, intents.c.state)).all()
    engine.dispose()
    assert stored == expected_fills(bars, decide=decide)
    assert len(sent) == len(set(sent))
    assert set(sent) == _taken(row._mapping for row in asked)
    assert {row.state for row in asked} <= {"FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED"}


def _taken(asked: Iterable[Mapping[str, Any]]) -> set[str]:
    """The orders that the broker has had: all but those in the place of one that had gone or never was."""
    return {row["client_order_id"] for row in asked if row["state"] not in ("REJECTED", "DENIED")}


@pytest.mark.parametrize("decide", [busy, patient, handy], ids=["at the market", "waiting", "by hand"])
def test_ended_at_each_boundary_of_every_write_it_comes_to_the_same_end(
    tmp_path: Path, bars: Bars, decide: Any
) -> None:
    short = bars.at(0, 16)
    expected = expected_fills(short, decide=decide)
    assert len(expected) > 3
    alike: list[tuple[object, ...]] = []
    names: list[str] = []
    for name, left in _left_at_each_boundary(tmp_path, short, decide):
        names.append(name)
        room = Room(url=f"sqlite:///{left}/store.db", home=left, bars=short)
        kernel = room.open(decide=decide)
        kernel.run()
        assert kernel.fills == expected, name
        assert [fill_of(row) for row in room.rows(fills)] == expected
        assert {row["client_order_id"] for row in room.rows(orders)} == _taken(room.rows(intents))
        assert verify_journal(room.engine).fault == ""
        books = (_ends_of(room), _withdrawals_of(room), _changes_of(room))
        alike = alike or [books]
        assert books == alike[0], name
        room.engine.dispose()
    assert names.pop() == "the end"
    assert len(names) > 70
    writes = ["open", "delivery", "intent", "answer"]
    happened = ["placed"]
    if decide is not busy:
        writes += ["cancel intent", "cancel answer"]
        happened += ["taken back"]
    if decide is handy:
        writes += ["exit change intent", "exit change answer", "denial"]
        happened += ["exits changed"]
    assert set(names) == {
        *happened,
        *(f"{when} {what}" for when in ("before", "in", "after") for what in writes),
    }


def _left_at_each_boundary(folder: Path, bars: Bars, decide: Any) -> list[tuple[str, Path]]:
    """A home as a gateway leaves it that ends at a boundary, for each one of a run, and at its end.

    What was written is copied, what was not yet is not: what a SIGKILL leaves.
    """
    home = folder / "home"
    found: list[tuple[str, Path]] = []

    def keep(name: str) -> None:
        left = folder / str(len(found))
        # not the index of the journal, which is made anew: SQLite holds its locks there
        shutil.copytree(home, left, ignore=shutil.ignore_patterns("*-shm"))
        found.append((name, left))

    home.mkdir()
    room = Room(url=f"sqlite:///{home}/store.db", home=home, bars=bars, at_boundary=keep)
    room.open(decide=decide).run()
    keep("the end")
    room.engine.dispose()
    return found


def _ends_of(room: Room) -> list[tuple[object, ...]]:
    """What the store says of each order."""
    found = {row["client_order_id"]: row for row in room.rows(orders)}
    names = ("state", "remaining", "canceled_seq")
    return [
        (
            row["client_order_id"],
            row["state"],
            row["reason"],
            *(found[row["client_order_id"]][name] for name in names if row["client_order_id"] in found),
        )
        for row in sorted(room.rows(intents), key=lambda row: str(row["client_order_id"]))
    ]


def _withdrawals_of(room: Room) -> list[tuple[object, ...]]:
    return sorted(
        (row["event_seq"], row["client_order_id"], row["state"], row["reason"]) for row in room.rows(cancels)
    )


def _changes_of(room: Room) -> list[tuple[object, ...]]:
    names = ("event_seq", "number", "body", "state", "control", "reason", "changed_seq")
    rows = [tuple(row[name] for name in names) for row in room.rows(exit_changes)]
    return sorted(rows, key=lambda row: row[:2])  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("decide", [busy, patient, handy], ids=["at the market", "waiting", "by hand"])
def test_killed_by_the_system_at_boundary_after_boundary_it_comes_to_the_same_end(
    gateway: Gateway, bars: Bars, decide: Any
) -> None:
    short = bars.at(0, 8)
    assert len(expected_fills(short, decide=decide)) > 1
    deaths = 0
    for start in range(60):
        # no start lives for long: each goes on from where the one before was killed
        _, done = _run_on(gateway, die_at=4 + start % 7, bars=short, decide=decide)
        if done:
            break
        deaths += 1
    assert done
    assert deaths > 5
    gateway.kill()
    _check_books(gateway, short, decide=decide)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_it_comes_to_the_same_end(gateway: Gateway, bars: Bars, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stop = threading.Event()
    kills = 0
    gateway.start()
    gateway.operator().open(**opening("d-1", bars, feed={"bars_per_second": 60.0}))

    def murderer() -> None:
        nonlocal kills
        while not stop.wait(float(rng.uniform(0.05, 0.6))):
            gateway.kill()
            gateway.start(wait=False)
            kills += 1
            if kills == 6:
                return

    thread = threading.Thread(target=murderer)
    thread.start()
    try:
        with gateway.client(timeout_s=0.3, patience_s=60) as client:
            kernel = gateway.kernel(client)
            kernel.attach()
            while not kernel.ended:
                reply = kernel.run()
                assert not isinstance(reply, Refused), reply.reason
                time.sleep(0.005)
    finally:
        stop.set()
        thread.join(60)
    assert kills >= 3
    assert kernel.fills == expected_fills(bars)
    assert gateway.operator().verify()["fault"] == ""
    gateway.kill()
    _check_books(gateway, bars)


def test_the_kernel_and_the_gateway_both_killed_again_and_again(gateway: Gateway, bars: Bars) -> None:
    short = bars.at(0, 40)
    for die_at in (25, 40, 33, 60, 21, 0):
        kernel, done = _run_on(gateway, die_at=die_at, bars=short)
    assert done
    assert kernel is not None
    assert kernel.fills == expected_fills(short)
    assert kernel.replayed > 10
    gateway.kill()
    _check_books(gateway, short)


def test_a_kill_outlasts_the_process_that_was_killed_while_it_cancelled(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client, decide=lambda bar, account, seq: [])
        kernel.attach()
        kernel.take()
        kernel.submit(buy(1_000))
    gateway.kill()
    gateway.start(die_at=4)  # before, in and after the kill's commit; then before the cancellation's
    assert "remembered" in gateway.operator(timeout_s=1.0).kill(reason="drill")
    assert not gateway.alive
    gateway.start()
    status = gateway.operator().status()
    assert status["kills"] == ["all"]
    assert status["deployments"][0]["waiting"] == 0
    with gateway.client() as client:
        kernel = gateway.kernel(client, decide=lambda bar, account, seq: [])
        kernel.run(most=4)
    assert gateway.operator().status()["deployments"][0]["position"] == 0
    assert [row["state"] for row in gateway.operator().orders("d-1")] == ["CANCELED"]


def test_the_books_are_computed_again_on_either_database(store_url: str, tmp_path: Path, bars: Bars) -> None:
    room = Room(url=store_url, home=tmp_path / "home", bars=bars)
    kernel = room.open()
    while not kernel.ended:
        kernel.run(most=15)
        room.start()
        assert room.shown()["state"] in ("running", "finished")
    assert kernel.fills == expected_fills(bars)
    room.act("kill")
    room.act("unkill")
    room.engine.dispose()


# --- books that do not agree -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "UPDATE fills SET price = price + 1 WHERE deployment_id = 'd-1' "
            "AND broker_trade_id = 'T000000003'",
            "execution 3 is stored",
        ),
        (
            "DELETE FROM fills WHERE deployment_id = 'd-1' AND broker_trade_id = 'T000000005'",
            "execution 5 is stored",
        ),
        ("UPDATE orders SET accepted_seq = accepted_seq + 2", "is stored"),
        ("UPDATE positions SET event_seq = event_seq + 2", "executions|books|feed"),
    ],
)
def test_books_that_do_not_agree_with_the_store_freeze_the_deployment(
    room: Room, statement: str, sentence: str
) -> None:
    room.open("d-1").run(most=60)
    room.open("d-2", account={"id": "paper-2"}).run(most=5)
    with room.engine.begin() as connection:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'fills'"
        for name in connection.scalars(sa.text(guards)).all():
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(sa.text(statement))
    room.start()
    shown = room.shown("d-1")
    assert shown["state"] == "frozen"
    if "d-1" in statement:
        assert room.shown("d-2")["state"] == "running"
    assert re.search(sentence, shown["detail"])
    reply = Kernel(room.ask, deployment_id="d-1").attach()
    assert isinstance(reply, Refused)
    with pytest.raises(Exception, match="frozen"):
        room.act("resume", deployment_id="d-1")


def test_a_dataset_that_is_gone_freezes_only_its_deployment(room: Room) -> None:
    room.open("d-1").run(most=5)

    def lost(spec: object, record: object) -> Bars:
        raise BadInputError("no such dataset")

    room.desk.load_bars = lost  # what the next start meets
    room.desk.deployments.clear()
    load_desk(room.desk)
    shown = room.shown()
    assert shown["state"] == "frozen"
    assert "no such dataset" in shown["detail"]
    assert shown["equity"] > 0
    assert shown["equity"] != BALANCE


def test_a_frozen_deployment_stays_so_over_every_start_and_opening_until_a_person_resumes_it(
    room: Room,
) -> None:
    room.open("d-1").run(most=5)
    room.desk.freeze(room.desk.deployments["d-1"], "somebody must look")
    for _ in range(2):
        room.start()
        assert room.shown()["state"] == "frozen"
        assert "somebody must look" in room.shown()["detail"]
        assert isinstance(Kernel(room.ask, deployment_id="d-1").attach(), Refused)
        room.open("d-1")
        assert room.shown()["state"] == "frozen"
    room.act("resume", deployment_id="d-1")
    room.start()
    assert room.shown()["state"] == "running"


def test_made_up_bars_trade_enough_to_prove_anything() -> None:
    found = expected_fills(made_up_bars(96))
    assert {fill.reason.value for fill in found} == {"MARKET", "STOP_LOSS", "TAKE_PROFIT"}
