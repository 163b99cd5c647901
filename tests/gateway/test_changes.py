"""A strategy changes exits and replaces waiting orders: durable, once, and the same after any restart."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import NO_LIMITS, TOKEN, Kernel, Room, buy, expected_fills
from tests.gateway.strategies import handy
from workbench.domain.control_table import FIRM, Entry, LimitTable
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, OrderKind
from workbench.gateway.brokers.port import AmbiguousError
from workbench.gateway.controls import Exposure
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import AskExposure, ChangeResult, IntentResult, Judged, Refused
from workbench.live.judging import OrderJudge
from workbench.market import Bars
from workbench.store.schema import exit_changes, intents, journal, orders

FAR: dict[str, Any] = {"kind": OrderKind.LIMIT, "price": 100_000}  # 18,000 points below the market


def _exits(**levels: Any) -> ExitChange:
    return ExitChange(instrument=levels.pop("instrument", "EUR_USD"), **levels)


def _holding(room: Room, **changes: Any) -> Kernel:
    """A kernel that holds 1,000 euros with a stop at 100,000 points."""
    kernel = room.open(**changes)
    kernel.take()
    kernel.submit(buy(1_000, stop_price=100_000))
    kernel.take()
    assert room.shown()["position"] == 1_000
    return kernel


def _waiting(room: Room, **changes: Any) -> Kernel:
    kernel = room.open(**changes)
    kernel.take()
    assert _state(kernel.submit(buy(1_000, **FAR))) == "WORKING"
    return kernel


def _state(reply: Any, *, repeated: bool = False) -> str:
    assert isinstance(reply, ChangeResult | IntentResult), reply
    assert reply.repeated == repeated
    return reply.state


def _exposure(room: Room) -> Exposure:
    return room.desk.deployments["d-1"].exposure(InstrumentId("EUR_USD"), killed="")


def _held(room: Room) -> tuple[int, int, int]:
    (position,) = room.desk.deployments["d-1"].broker.positions()
    return position.stop, position.target, position.trailing


# --- exits ---------------------------------------------------------------------------------------------


def test_exits_are_changed_once_and_the_same_wish_gets_the_same_answer(room: Room) -> None:
    kernel = _holding(room)
    assert _state(kernel.change(_exits(stop=101_000, target=150_000))) == "DONE"
    assert _held(room) == (101_000, 150_000, 0)
    assert _state(kernel.change(_exits(stop=0), 1)) == "DONE"
    for _ in range(2):
        assert _state(kernel.change(_exits(stop=101_000, target=150_000)), repeated=True) == "DONE"
        assert _held(room) == (0, 150_000, 0)
        room.start()
        assert room.shown()["state"] == "running"
    other = kernel.change(_exits(stop=1_000))
    assert isinstance(other, Refused)
    assert "asked before with other levels" in other.reason
    kinds = [row["kind"] for row in room.rows(journal)]
    assert kinds.count("exits.intent") == kinds.count("exits.done") == 2
    assert kinds.index("exits.intent") < kinds.index("exits.done")
    assert verify_journal(room.engine).fault == ""


def test_nothing_held_is_answered_rejected_and_changes_nothing(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    reply = kernel.change(_exits(stop=101_000))
    assert isinstance(reply, ChangeResult)
    assert (reply.state, reply.reason) == ("REJECTED", "nothing of EUR_USD is held")


@pytest.mark.parametrize(
    ("change", "control", "sentence"),
    [
        (_exits(), "F45", "expected a stop, a target or a trailing stop to change, found none"),
        (_exits(stop=-1), "F45", "levels and distances of 0 to 1000000000 points"),
        (_exits(target=5), "F45", "levels between half and twice the market"),
        (_exits(stop=101_000, instrument="GBP_USD"), "R18", "limit EUR_USD, observed GBP_USD"),
    ],
)
def test_changes_without_sense_are_denied_with_the_control_and_the_limit(
    room: Room, change: ExitChange, control: str, sentence: str
) -> None:
    kernel = _holding(room)
    reply = kernel.change(change)
    assert isinstance(reply, ChangeResult)
    assert (reply.state, reply.control) == ("DENIED", control)
    assert sentence in reply.reason
    assert _state(kernel.change(change), repeated=True) == "DENIED"
    assert _held(room) == (100_000, 0, 0)
    assert [row["state"] for row in room.rows(exit_changes)] == ["DENIED"]


def test_changes_decided_on_an_older_event_or_on_none_are_not_made(room: Room) -> None:
    kernel = _holding(room)
    late = kernel.change(_exits(stop=101_000), event_seq=2)
    assert isinstance(late, ChangeResult)
    assert late.control == "R15"
    assert "limit event 4, observed event 2" in late.reason
    for seq in (0, 9):
        assert isinstance(kernel.change(_exits(stop=101_000), event_seq=seq), Refused)
    assert isinstance(kernel.change(_exits(stop=101_000), 5_000), Refused)
    assert _held(room) == (100_000, 0, 0)


def test_while_a_kill_is_on_a_stop_may_be_drawn_closer_and_not_taken_away(room: Room) -> None:
    kernel = _holding(room)
    assert _state(kernel.change(_exits(trailing=30_000))) == "DONE"
    room.act("kill")
    for number, change in enumerate((_exits(stop=0), _exits(stop=99_000), _exits(trailing=0)), 1):
        reply = kernel.change(change, number)
        assert isinstance(reply, ChangeResult)
        assert (reply.state, reply.control) == ("DENIED", "R23")
    assert _state(kernel.change(_exits(stop=101_000, trailing=20_000), 4)) == "DONE"
    assert _held(room)[0] == 101_000


def test_a_change_without_an_answer_stays_unknown(room: Room) -> None:
    kernel = _holding(room)

    def silent(change: object) -> bool:
        raise AmbiguousError("no answer in 5 s")

    room.desk.deployments["d-1"].broker.change_exits = silent  # type: ignore[method-assign,assignment]
    assert _state(kernel.change(_exits(stop=101_000))) == "UNKNOWN"
    room.start()
    assert _state(kernel.change(_exits(stop=101_000)), repeated=True) == "UNKNOWN"
    assert _held(room) == (100_000, 0, 0)


def _rates(room: Room, **limits: int) -> None:
    entries = list(NO_LIMITS.entries)
    for name, value in limits.items():
        number = len(entries) + 1
        entries.append(
            Entry(version=number, name=name, scope=FIRM, value=value, action="set", by="test", created_ns=0)
        )
    room.desk.controls.table = LimitTable(entries)


def test_changes_count_as_messages_where_orders_are_decided_and_where_they_are_sent(room: Room) -> None:
    kernel = _holding(room)
    kernel.take()
    before = _exposure(room).messages_last_minute
    assert _state(kernel.change(_exits(stop=99_000))) == "DONE"
    assert _state(kernel.change(_exits(target=150_000), 1)) == "DONE"
    assert isinstance(kernel.change(_exits(stop=-1), 2), ChangeResult)  # denied, so nothing was sent
    assert _exposure(room).messages_last_minute == before + 2
    room.start()
    assert _exposure(room).messages_last_minute == before + 2
    _rates(room, max_messages_per_minute=before + 2)
    judged = room.ask(AskExposure(deployment_id="d-1", token=TOKEN))
    assert isinstance(judged, Judged)
    first = OrderJudge(judged.exposures, judged.limits).check(buy(1_000, "first"))
    assert first is not None
    assert f"limit {before + 2}, observed {before + 3}" in first.reason
    again = kernel.submit(buy(1_000, "second"))
    assert isinstance(again, IntentResult)
    assert (again.control, again.reason) == ("R05", first.reason)


def test_changes_beyond_the_rate_are_denied_unless_they_only_protect_better(room: Room) -> None:
    kernel = _holding(room)
    kernel.take()
    _rates(room, max_messages_per_second=1)
    assert _state(kernel.change(_exits(target=150_000))) == "DONE"
    number = 0
    for number, change in enumerate((_exits(target=151_000), _exits(stop=99_000), _exits(stop=0)), 1):
        reply = kernel.change(change, number)
        assert isinstance(reply, ChangeResult)
        assert (reply.state, reply.control) == ("DENIED", "R05")
        assert reply.reason == "R05 messages a second of the firm: limit 1, observed 2"
    assert _state(kernel.change(_exits(stop=101_000), number + 1)) == "DONE"
    assert _state(kernel.change(_exits(trailing=20_000), number + 2)) == "DONE"
    assert _exposure(room).messages_last_second == 3
    kernel.take()  # an hour later
    assert _state(kernel.change(_exits(target=151_000))) == "DONE"


# --- orders in the place of others -----------------------------------------------------------------------


def test_a_waiting_order_is_replaced_in_one_step_and_once(room: Room) -> None:
    kernel = _waiting(room)
    kernel.take()
    moved = buy(2_000, "two", replaces=ClientOrderId("one"), kind=OrderKind.LIMIT, price=101_000)
    assert _state(kernel.submit(moved)) == "WORKING"
    for _ in range(2):
        assert _state(kernel.submit(moved), repeated=True) == "WORKING"
        waiting = room.desk.deployments["d-1"].broker.open_orders()
        assert [(item.order.client_order_id, item.order.price) for item in waiting] == [("two", 101_000)]
        room.start()
    states = {row["client_order_id"]: (row["state"], row["canceled_seq"]) for row in room.rows(orders)}
    assert states == {"one": ("CANCELED", 4), "two": ("WORKING", 0)}
    reasons = {row["client_order_id"]: row["reason"] for row in room.rows(intents)}
    assert reasons["one"] == "replaced by two"


def test_an_order_that_has_filled_meanwhile_is_not_replaced(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    kernel.take()
    reply = kernel.submit(buy(1_000, "two", replaces=ClientOrderId("one"), **FAR))
    assert isinstance(reply, IntentResult)
    assert (reply.state, reply.reason) == (
        "REJECTED",
        "order one does not wait any more; nothing was replaced",
    )
    assert room.shown()["waiting"] == 0
    room.start()
    assert room.shown()["state"] == "running"


def test_orders_of_others_of_other_instruments_and_of_the_gateway_are_not_replaced(room: Room) -> None:
    _waiting(room)
    other = room.open("d-2", account={"id": "paper-2"})
    other.take()
    other.submit(buy(1_000, "mine"))
    other.take()
    closing = room.act("stop", deployment_id="d-2", flatten=True)["flatten_order"]
    room.act("resume", deployment_id="d-2")
    for number, name in enumerate(("one", "no-such-order", closing)):
        reply = other.submit(buy(1_000, f"new-{number}", replaces=ClientOrderId(name), **FAR))
        assert isinstance(reply, IntentResult)
        assert (reply.state, reply.control) == ("DENIED", "F45")
        assert "expected an order of this deployment to replace" in reply.reason
    assert room.shown("d-1")["waiting"] == 1


def test_the_new_version_is_judged_without_the_old_one_and_both_count_while_nobody_knows(room: Room) -> None:
    kernel = _waiting(room, limits={"max_position_units": 1_500})
    kernel.take()
    moved = buy(1_400, "two", replaces=ClientOrderId("one"), **FAR)
    assert _state(kernel.submit(moved)) == "WORKING"  # 2,400 units if both counted
    more = kernel.submit(buy(1_600, "three", replaces=ClientOrderId("two"), **FAR))
    assert isinstance(more, IntentResult)
    assert (more.state, more.control) == ("DENIED", "R09")

    def silent(name: str, order: object) -> None:
        raise AmbiguousError("no answer in 5 s")

    room.desk.deployments["d-1"].broker.replace = silent  # type: ignore[method-assign,assignment]
    assert _state(kernel.submit(buy(100, "four", replaces=ClientOrderId("two"), **FAR))) == "UNKNOWN"
    last = kernel.submit(buy(100, "five", **FAR))
    assert isinstance(last, IntentResult)
    assert last.control == "R09"
    assert last.reason.endswith("observed 1600")  # 1,400 and 100 of both versions, and this one


def test_changed_exits_and_replaced_orders_are_computed_again_on_either_database(
    store_url: str, tmp_path: Path, bars: Bars
) -> None:
    room = Room(url=store_url, home=tmp_path / "home", bars=bars)
    kernel = room.open(decide=handy)
    while not kernel.ended:
        kernel.run(most=15)
        room.start()
        assert room.shown()["state"] in ("running", "finished"), room.shown()["detail"]
    assert kernel.fills == expected_fills(bars, decide=handy)
    assert {row.state for row in kernel.changed} == {"DONE", "REJECTED"}
    assert sum(bool(row["body"]["replaces"]) for row in room.rows(intents)) > 20
    room.engine.dispose()
