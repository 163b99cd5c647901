"""A strategy takes orders back: once, by evidence, and the same again after any restart."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from tests.gateway.bench import Kernel, Room, buy, expected_fills
from tests.gateway.strategies import patient
from workbench.domain.orders import OrderKind
from workbench.gateway.brokers.port import AmbiguousError
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import CancelResult, FeedEvent, IntentResult, QuoteMoved, Refused
from workbench.market import Bars
from workbench.store.schema import cancels, fills, intents, journal, orders

FAR: dict[str, Any] = {"kind": OrderKind.LIMIT, "price": 100_000}  # 18,000 points below the market


def _found(reply: Any) -> tuple[str, bool]:
    assert isinstance(reply, CancelResult), reply
    return reply.state, reply.repeated


def _waiting(room: Room, **changes: Any) -> Kernel:
    kernel = room.open(**changes)
    kernel.take()
    placed = kernel.submit(buy(1_000, **FAR))
    assert isinstance(placed, IntentResult)
    assert placed.state == "WORKING"
    return kernel


def test_a_waiting_order_is_taken_back_and_the_same_wish_gets_the_same_answer(room: Room) -> None:
    kernel = _waiting(room)
    kernel.take()
    assert room.shown()["waiting"] == 1
    assert _found(kernel.cancel("one")) == ("CANCELED", False)
    assert room.shown()["waiting"] == 0
    for _ in range(2):
        assert _found(kernel.cancel("one")) == ("CANCELED", True)
        room.start()
        assert room.shown()["waiting"] == 0
    [row] = room.rows(orders)
    assert (row["state"], row["remaining"], row["canceled_seq"]) == ("CANCELED", 1_000, 4)
    kinds = [row["kind"] for row in room.rows(journal)]
    assert kinds.index("cancel.intent") < kinds.index("order.canceled") < kinds.index("cancel.canceled")
    kernel.take()
    again = kernel.cancel("one")
    assert isinstance(again, CancelResult)
    assert _found(again) == ("CANCELED", False)
    assert "had ended before: CANCELED" in again.reason
    assert verify_journal(room.engine).fault == ""


def test_a_cancel_of_an_order_that_has_filled_meanwhile_is_answered_so(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    kernel.take()
    assert _found(kernel.cancel("one")) == ("FILLED", False)
    room.start()
    assert _found(kernel.cancel("one")) == ("FILLED", True)
    assert [row["state"] for row in room.rows(cancels)] == ["FILLED"]
    assert room.shown()["position"] == 1_000


def test_orders_of_others_and_orders_that_never_were_are_not_taken_back(room: Room) -> None:
    _waiting(room)
    other = room.open("d-2", account={"id": "paper-2"})
    other.take()
    assert _found(other.cancel("one")) == ("REJECTED", False)
    assert _found(other.cancel("two")) == ("REJECTED", False)
    assert isinstance(other.cancel("no such name!"), Refused)
    assert room.rows(cancels) == []
    assert room.shown("d-1")["waiting"] == 1


def test_the_gateway_s_own_order_is_not_taken_back_by_a_strategy(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    kernel.take()
    closing = room.act("stop", deployment_id="d-1", flatten=True)["flatten_order"]
    assert _found(kernel.cancel(closing)) == ("REJECTED", False)
    assert room.shown()["waiting"] == 1


def test_a_cancel_of_an_event_that_has_not_been_is_refused(room: Room) -> None:
    kernel = _waiting(room)
    for seq in (0, 9):
        reply = kernel.cancel("one", event_seq=seq)
        assert isinstance(reply, Refused)
        assert "expected a cancel decided on an event up to 2" in reply.reason


def test_an_unknown_order_stays_unknown_when_the_broker_does_not_show_it(room: Room) -> None:
    kernel = room.open()
    kernel.take()
    broker = room.desk.deployments["d-1"].broker

    def silent(order: object) -> None:
        raise AmbiguousError("no answer in 5 s")

    broker.place = silent  # type: ignore[method-assign,assignment]
    kernel.submit(buy(1_000))
    for _ in range(2):
        assert _found(kernel.cancel("one"))[0] == "UNKNOWN"
        assert room.shown()["unknown"] == ["one"]
        room.start()
    assert [row["state"] for row in room.rows(intents)] == ["UNKNOWN"]


def test_a_cancel_without_an_answer_leaves_the_order_as_it_was(room: Room) -> None:
    kernel = _waiting(room)
    broker = room.desk.deployments["d-1"].broker

    def silent(name: str, *, reason: str) -> bool:
        raise AmbiguousError("no answer in 5 s")

    broker.cancel = silent  # type: ignore[method-assign,assignment]
    assert _found(kernel.cancel("one")) == ("UNKNOWN", False)
    assert [row["state"] for row in room.rows(orders)] == ["WORKING"]
    room.start()  # the broker shows that it waits: nobody turns that into an end
    assert room.shown()["waiting"] == 1
    assert _found(kernel.cancel("one")) == ("UNKNOWN", True)


def test_what_a_person_took_back_stays_so_where_it_was_taken_back(room: Room) -> None:
    kernel = _waiting(room)
    kernel.take()
    kernel.take()
    assert room.act("stop", deployment_id="d-1")["canceled"] == ["one"]
    [row] = room.rows(orders)
    assert (row["state"], row["canceled_seq"]) == ("CANCELED", 6)
    room.start()
    assert room.shown()["state"] == "stopped"
    assert _found(kernel.cancel("one")) == ("CANCELED", False)


def test_expired_orders_and_parts_of_orders_are_written_down(room: Room) -> None:
    kernel = room.open()
    trading = room.desk.deployments["d-1"]
    feed = trading.feed

    class Little:
        """The same feed with 300 units on offer at the open."""

        def event(self, seq: int) -> FeedEvent | None:
            found = feed.event(seq)
            if isinstance(found, QuoteMoved):
                quote = replace(found.quote, asks=((found.quote.ask, 300),))
                return msgspec.structs.replace(found, quote=quote)
            return found

        def recall(self, until: int) -> None:
            feed.recall(until)

        def sync(self) -> None:
            feed.sync()

        def data_age_ns(self, name: str) -> int | None:
            return feed.data_age_ns(name)

    trading.feed = Little()
    reply = kernel.take()
    bar = reply.event.bar  # type: ignore[union-attr]
    kernel.submit(buy(1_000, "part", kind=OrderKind.LIMIT, price=bar.ask_close + 15))
    kernel.submit(buy(500, "dated", time_in_force="GTD", expires_ns=bar.close_ns + 1, **FAR))
    kernel.next()
    states = {row["client_order_id"]: (row["state"], row["remaining"]) for row in room.rows(orders)}
    written = [(row["units"], row["remaining"], row["trade"]) for row in room.rows(fills)]
    assert written[0] == (300, 700, "")
    assert states["part"][1] == written[-1][1]
    assert states["part"][0] == ("PARTIAL" if written[-1][1] else "FILLED")
    kernel.take()
    assert {row["client_order_id"]: row["state"] for row in room.rows(orders)}["dated"] == "EXPIRED"
    assert "order.expired" in {row["kind"] for row in room.rows(journal)}


def test_waiting_orders_are_computed_again_on_either_database(
    store_url: str, tmp_path: Path, bars: Bars
) -> None:
    room = Room(url=store_url, home=tmp_path / "home", bars=bars)
    kernel = room.open(decide=patient)
    while not kernel.ended:
        kernel.run(most=15)
        room.start()
        assert room.shown()["state"] in ("running", "finished")
    assert kernel.fills == expected_fills(bars, decide=patient)
    states = {row["state"] for row in room.rows(intents)}
    assert states == {"FILLED", "CANCELED", "EXPIRED"}
    assert {row.state for row in kernel.withdrawn} == {"FILLED", "CANCELED", "EXPIRED", "REJECTED"}
    room.engine.dispose()
