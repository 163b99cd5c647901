"""A past moment folded from the journal is what the gateway held then."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa

from tests.gateway.bench import Kernel, Room, buy
from tests.gateway.strategies import busy, handy, patient
from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import Order
from workbench.errors import BadInputError
from workbench.gateway.errors import DamagedStoreError, UnknownDeploymentError
from workbench.gateway.past_state import PastState, past_state, record_at, record_at_market_time
from workbench.store.schema import deliveries, journal


@dataclass
class Seen:
    """What a live gateway held at a moment."""

    record: int
    books: AccountSnapshot
    handed: AccountSnapshot | None  # the books that the strategy was handed last
    waiting: dict[str, Order]
    state: str
    killed: bool
    event_seq: int
    table_version: int
    decision: dict[str, Any]


def seen(room: Room, kernel: Kernel, handed: AccountSnapshot | None, decision: dict[str, Any]) -> Seen:
    """Look at it now."""
    trading = room.desk.deployments["d-1"]
    return Seen(
        record=room.desk.ledger.length,
        books=trading.broker.account(),
        handed=handed,
        waiting={item.client_order_id: item for item in trading.waiting()},
        state=trading.state.value,
        killed=bool(room.desk.kill_over(trading)),
        event_seq=trading.decision_seq,
        table_version=room.desk.controls.table.version,
        decision=decision,
    )


def without_exits(books: AccountSnapshot) -> dict[str, int]:
    """Units held."""
    return {item.instrument: item.units for item in books.positions if item.units}


def alike(past: PastState, live: Seen) -> None:
    """All that can be compared is the same."""
    assert past.record == live.record
    assert past.state == live.state
    assert bool(past.kills) == live.killed
    assert past.event_seq == live.event_seq
    assert past.books == live.handed
    assert past.balance == live.books.balance
    assert {name: units for name, units in past.units.items() if units} == without_exits(live.books)
    found = {item.order.client_order_id: item for item in past.waiting}
    assert found.keys() == live.waiting.keys()
    for name, order in live.waiting.items():
        assert found[name].remaining == order.units
        assert replace(found[name].order, units=order.units, replaces=order.replaces) == order
    assert past.decision == live.decision
    assert past.table.version == live.table_version
    assert past.limits is not None


@pytest.mark.parametrize("decide", [busy, patient, handy], ids=lambda item: item.__name__)
def test_every_moment_of_a_run_is_what_the_gateway_held_then(room: Room, decide: Callable[..., Any]) -> None:
    kernel = room.open(decide=decide)
    moments: list[Seen] = []
    handed: AccountSnapshot | None = None
    reported: dict[str, Any] = {}
    for number in range(97):
        before = kernel.decision
        reply = kernel.step()
        handed = getattr(reply, "account", handed)
        reported = before or reported
        moments.append(seen(room, kernel, handed, reported))
        if number == 40:
            room.act("kill", scope="deployment:d-1", reason="a test")
            moments.append(seen(room, kernel, handed, reported))
        if number == 44:
            room.act("unkill", scope="deployment:d-1", reason="it is over")
        if number == 60:
            room.start()  # a crash: nothing of it may show
    assert len({item.record for item in moments}) > 90
    for live in moments:
        alike(past_state(room.engine, "d-1", record=live.record), live)


def test_a_moment_between_an_intent_and_its_answer_shows_the_intent(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000, "mine"))
    kinds = {row["kind"]: row["seq"] for row in room.rows(journal)}
    asked = past_state(room.engine, "d-1", record=kinds["order.intent"])
    assert [(item.order.client_order_id, item.state) for item in asked.waiting] == [("mine", "INTENT")]
    answered = past_state(room.engine, "d-1", record=kinds["order.working"])
    assert [item.state for item in answered.waiting] == ["WORKING"]
    assert answered.waiting[0].broker_order_id


def test_a_denial_shows_its_control_and_a_changed_limit_its_version(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(10**9, "too-large"))
    state = past_state(room.engine, "d-1", record=room.desk.ledger.length)
    denied = state.orders["too-large"]
    assert (denied.state, denied.remaining) == ("DENIED", 0)
    assert denied.control
    assert denied.reason
    assert state.waiting == []


def test_the_last_record_up_to_a_time_is_found_by_either_clock(room: Room) -> None:
    kernel = room.open()
    kernel.run(most=30)
    rows = room.rows(journal)
    middle = rows[len(rows) // 2]
    found = record_at(room.engine, middle["created_ns"])
    assert rows[found - 1]["created_ns"] <= middle["created_ns"]
    assert found >= middle["seq"]
    with pytest.raises(BadInputError, match="before its first record"):
        record_at(room.engine, rows[0]["created_ns"] - 1)
    handed = room.rows(deliveries)[10]
    by_market = record_at_market_time(room.engine, "d-1", handed["time_ns"] + 1)
    assert past_state(room.engine, "d-1", record=by_market).event_seq == handed["event_seq"]
    assert past_state(room.engine, "d-1", record=by_market).market_ns == handed["time_ns"]
    with pytest.raises(BadInputError, match="no event by that time"):
        record_at_market_time(room.engine, "d-1", 1)


def test_one_deployment_does_not_show_in_another(room: Room) -> None:
    first, second = room.open("d-1"), room.open("d-2", account={"id": "paper-2"}, decide=patient)
    for _ in range(20):
        first.step()
        second.step()
    mine, others = (past_state(room.engine, name, record=room.desk.ledger.length) for name in ("d-1", "d-2"))
    assert mine.orders
    assert others.orders
    assert all(name.startswith("busy") for name in mine.orders)
    assert all(name.startswith("patient") for name in others.orders)


def test_a_deployment_that_was_not_open_yet_is_named(room: Room) -> None:
    room.open("d-1").run(most=3)
    with pytest.raises(UnknownDeploymentError, match="d-9 was not open"):
        past_state(room.engine, "d-9", record=room.desk.ledger.length)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE journal SET body = replace(body, 'EUR', 'XXX') WHERE seq = {seq}", "record {seq} "),
        ("UPDATE deliveries SET snapshot = replace(snapshot, '1', '2')", "the books of event"),
        ("UPDATE deliveries SET event = replace(event, '1', '2')", "the event of event"),
        ("DELETE FROM deliveries", "expected the row of event"),
    ],
)
def test_what_was_changed_since_is_not_shown(room: Room, statement: str, sentence: str) -> None:
    room.open().run(most=20)
    seq = next(row["seq"] for row in room.rows(journal) if row["kind"] == "order.intent")
    with room.engine.begin() as connection:
        guards = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for name in connection.scalars(guards).all():
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(sa.text(statement.format(seq=seq)))
    with pytest.raises(DamagedStoreError, match=sentence.format(seq=seq)):
        past_state(room.engine, "d-1", record=room.desk.ledger.length)
