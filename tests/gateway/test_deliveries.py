"""Events: in lock-step, durable before they are seen, and again for a kernel that comes back."""

from pathlib import Path

import pytest

from tests.gateway.bench import Kernel, Room, buy, expected_fills, made_up_bars
from workbench.gateway.messages import Attached, BarClosed, EventReply, FeedEnded, Refused, Waiting
from workbench.gateway.records import fill_of
from workbench.market import Bars
from workbench.store.schema import deliveries, fills


def test_a_run_through_the_gateway_has_the_fills_of_the_engine_alone(room: Room, bars: Bars) -> None:
    kernel = room.open()
    assert isinstance(kernel.attach(), Attached)
    kernel.run()
    expected = expected_fills(bars)
    assert len(expected) > 20
    assert kernel.ended
    assert kernel.fills == expected
    assert [fill_of(row) for row in room.rows(fills)] == expected
    assert room.shown()["state"] == "finished"


def test_nothing_moves_until_the_strategy_has_done_with_the_event(room: Room) -> None:
    kernel = room.open()
    first = kernel.next()
    assert isinstance(first, EventReply)
    again = kernel.next()
    assert again == first
    assert room.shown()["event_seq"] == first.event.seq == 2
    kernel.after = 2
    second = kernel.next()
    assert isinstance(second, EventReply)
    assert second.event.seq == 4


def test_an_event_is_in_the_store_before_it_is_delivered(room: Room) -> None:
    kernel = room.open()
    reply = kernel.next()
    assert isinstance(reply, EventReply)
    (row,) = room.rows(deliveries)
    assert row["event_seq"] == reply.event.seq
    assert row["snapshot"]["equity"] == reply.account.equity
    assert not row["acked"]


def test_a_kernel_that_comes_back_is_told_what_it_decided(room: Room, bars: Bars) -> None:
    room.open().run(most=40)
    back = Kernel(room.ask)
    attached = back.attach()
    assert isinstance(attached, Attached)
    assert attached.acked == 78  # 40 bars were delivered, the last has not been reported as done
    back.run()
    assert back.replayed == 39
    assert back.fills == expected_fills(bars)


def test_a_kernel_killed_between_two_orders_of_one_event_sends_only_the_missing_one(
    room: Room, bars: Bars
) -> None:
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000, "a"))

    def both(bar: object, account: object, event_seq: int) -> list[object]:
        return [buy(1_000, "a"), buy(2_000, "b")] if event_seq == 2 else []

    back = Kernel(room.ask, decide=both)  # type: ignore[arg-type]
    back.run()
    assert [(item.client_order_id, item.repeated) for item in back.results] == [("a", True), ("b", False)]
    assert [fill.units for fill in back.fills][:2] == [1_000, 2_000]


def test_an_event_that_was_never_delivered_can_not_be_done_with(room: Room) -> None:
    kernel = room.open()
    kernel.after = 4
    assert isinstance(kernel.next(), Refused)


def test_the_feed_ends_once_and_stays_ended(room: Room) -> None:
    kernel = room.open()
    kernel.run()
    assert isinstance(Kernel(room.ask).run(), EventReply)
    end = room.rows(deliveries)[-1]
    assert end["event_seq"] == 2 * 96 + 1
    kernel.decision = {}
    assert isinstance(kernel.next(), Waiting)


def test_a_paced_replay_gives_the_quote_at_once_and_the_bar_when_it_is_over(room: Room) -> None:
    kernel = room.open(feed={"bars_per_second": 2.0})
    assert isinstance(kernel.next(), Waiting)
    assert room.shown()["event_seq"] == 1
    room.clock.now += 0.49
    assert isinstance(kernel.next(), Waiting)
    room.clock.now += 0.02
    assert isinstance(kernel.take().event, BarClosed)
    kernel.submit(buy(1_000))
    assert isinstance(kernel.next(), Waiting)
    assert room.shown()["position"] == 1_000  # executed on the quote, half a second before the bar ends
    room.clock.now += 0.5
    assert [fill.units for fill in kernel.take().fills] == [1_000]


def test_a_paced_replay_has_the_fills_of_a_fast_one(sqlite_url: str, tmp_path: Path) -> None:
    bars = made_up_bars(30)
    room = Room(url=sqlite_url, home=tmp_path / "home", bars=bars)
    kernel = room.open(feed={"bars_per_second": 10.0})
    for quarter in range(160):
        kernel.run()
        room.clock.now += 0.06
        if quarter % 20 == 19:
            room.start()
    assert kernel.ended
    assert kernel.fills == expected_fills(bars)


@pytest.mark.parametrize("after", [-1, 2**70])
def test_an_absurd_event_number_is_refused(room: Room, after: int) -> None:
    kernel = room.open()
    kernel.after = after
    assert isinstance(kernel.next(), Refused)


def test_a_feed_of_one_bar_ends(sqlite_url: str, tmp_path: Path) -> None:
    room = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(1))
    kernel = room.open()
    kernel.take()
    kernel.submit(buy(1_000))
    ended = kernel.take()
    assert isinstance(ended.event, FeedEnded)
    assert ended.account.positions == ()
