"""Strategies on ticks, live: equal to the backtest on the same ticks, whatever is killed in between."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.gateway.bench import EUR_USD, TOKEN, Room
from tests.gateway.tick_room import Cut, TickRoom, made_up_ticks
from workbench.domain.orders import Fill
from workbench.gateway.feeds import Feed
from workbench.gateway.market_data.tick_replay import TickReplay
from workbench.gateway.messages import (
    BarClosed,
    FeedEnded,
    NextEvent,
    QuoteMoved,
    Refused,
    SubmitIntent,
    Waiting,
)
from workbench.live.divergence import compare
from workbench.live.errors import DecisionDiffersError
from workbench.live.runtime import Ending
from workbench.market.resampling import bars_from_ticks
from workbench.store.schema import deliveries, journal
from workbench.strategy import AccountView, MarketView, Param, Rules, Strategy, Units, sma


class Momentum(Strategy):
    """Counts moves between quotes, remembers levels, waits with orders, takes them back, closes at bars."""

    reach = Param(12, low=1, high=500)

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self._last = 0
        self._run = 0
        self._quotes = 0

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        bid = market.quote.bid
        self._quotes += 1
        self._run = self._run + 1 if bid > self._last else 0 if bid < self._last else self._run
        self._last = bid
        if self._run >= 4 and account.units == 0 and len(account.waiting) < 3:
            self._run = 0
            account.buy(2_000, stop=60, target=45, trailing=80)
        elif self._quotes % 37 == 0 and len(account.waiting) < 4:
            account.sell_limit(1_000, price=market.quote.bid + self.reach, stop=50)
        elif self._quotes % 11 == 0 and account.units:
            level = bid - 70 if account.units > 0 else market.quote.ask + 70
            account.change_exits(stop_price=level)
        elif self._quotes % 53 == 0 and account.waiting:
            account.cancel(account.waiting[0].client_order_id)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if len(market) % 5 == 0:
            account.close()


class OnTicksOnly(Strategy):
    """Has no `on_bar`: bars are only looked at."""

    fast = Param(3, low=1, high=50)

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        if len(market) < 5:
            return
        wanted = 1_500 if market.quote.bid > market.bar.bid_open else -1_500
        if account.units != wanted and not account.waiting:
            account.buy(wanted - account.units) if wanted > account.units else account.sell(
                account.units - wanted
            )


class Crossing(Strategy):
    """Rules, decided at bars, executed on ticks."""

    def rules(self, bar: Any) -> Rules:
        fast, slow = sma(bar.mid.close, 1), sma(bar.mid.close, 2)
        return Rules(
            enter_long=fast > slow,
            exit_long=fast < slow,
            stop=40,
            size=Units(3_000),
        )


FORMS: tuple[Callable[[], Strategy], ...] = (Momentum, OnTicksOnly, Crossing)


def fills_of(made: TickRoom) -> list[Fill]:
    """What was executed, from the store."""
    found = made.room.desk.find("d-1").broker.transactions_since(0)
    return [item.fill for item in found if item.fill is not None]


def same(made: TickRoom) -> None:
    found = compare(fills_of(made), list(made.backtest().fills))
    assert found.equal, found.sentence()
    assert len(found.lines) > 4


@pytest.mark.parametrize("strategy", FORMS, ids=lambda item: item.__name__)
def test_a_replay_of_ticks_has_the_fills_of_the_backtest_bit_for_bit(
    room: Room, strategy: Callable[[], Strategy]
) -> None:
    made = TickRoom(room, made_up_ticks(700), "M5", strategy)
    assert made.runtime().run() is Ending.FINISHED
    same(made)


@pytest.mark.parametrize("strategy", FORMS, ids=lambda item: item.__name__)
def test_kernels_and_gateways_killed_at_any_question_change_no_fill(
    room: Room, strategy: Callable[[], Strategy]
) -> None:
    made = TickRoom(room, made_up_ticks(600, seed=5), "M5", strategy)
    rng = np.random.default_rng(1)
    deaths = 0
    lasts = 20
    while True:
        step = [0]

        def sometimes_restart(step: list[int] = step, at: int = int(rng.integers(10, 200))) -> None:
            step[0] += 1
            if step[0] == at:
                room.start()  # the gateway's memory is gone; its kernel lives on

        try:
            ending = made.runtime(die_at=lasts, on_ask=sometimes_restart).run()
        except Cut:
            deaths += 1
            lasts = int(lasts * 1.3)
            if deaths % 2:
                room.start()
            continue
        assert ending is Ending.FINISHED
        break
    assert deaths >= 1
    same(made)
    room.start()
    same(made)  # and the store alone says the same
    assert room.shown()["state"] in ("running", "finished"), room.shown()["detail"]


def test_quotes_on_which_nothing_happens_are_not_written(room: Room) -> None:
    made = TickRoom(room, made_up_ticks(800), "M15", OnTicksOnly)
    made.runtime().run()
    rows = room.rows(deliveries)
    quotes = [row for row in rows if row["event"]["type"] == "QuoteMoved"]
    bars = [row for row in rows if row["event"]["type"] == "BarClosed"]
    assert len(bars) == len(room.bars)
    assert 0 < len(quotes) < 800 / 3
    assert len(room.rows(journal)) < 800


def test_a_strategy_that_decides_otherwise_the_second_time_is_stopped(room: Room) -> None:
    class Moody(Momentum):
        mood = 0

        def on_tick(self, market: MarketView, account: AccountView) -> None:
            if self._quotes == 300 and type(self).mood:
                account.buy(100)
            super().on_tick(market, account)

    made = TickRoom(room, made_up_ticks(600), "M5", Moody)
    with pytest.raises(Cut):
        made.runtime(die_at=450).run()
    Moody.mood = 1
    with pytest.raises(DecisionDiffersError, match="decision differs at event"):
        made.runtime().run()


def test_an_order_on_a_quote_that_is_over_is_denied_and_one_on_no_event_refused(room: Room) -> None:
    from tests.gateway.bench import TOKEN, buy

    TickRoom(room, made_up_ticks(100), "M5", OnTicksOnly)
    for after in range(3):
        room.ask(NextEvent(deployment_id="d-1", token=TOKEN, after=after, decision={}, quotes=True))

    def submit(name: str, seq: int) -> Any:
        return room.ask(SubmitIntent(deployment_id="d-1", token=TOKEN, event_seq=seq, order=buy(1_000, name)))

    assert submit("late", 2).control == "R15"
    assert submit("now", 3).state == "WORKING"
    assert isinstance(submit("never", 10_000), Refused)


def test_a_kill_and_a_stop_with_flatten_outlast_a_restart_between_two_quotes(room: Room) -> None:
    from tests.gateway.bench import TOKEN, buy
    from workbench.gateway.market_data.quote_deliveries import skip_event

    TickRoom(room, made_up_ticks(200), "M5", OnTicksOnly)

    def ask(after: int) -> Any:
        return room.ask(NextEvent(deployment_id="d-1", token=TOKEN, after=after, decision={}, quotes=True))

    for after in range(5):
        ask(after)
    room.ask(SubmitIntent(deployment_id="d-1", token=TOKEN, event_seq=5, order=buy(1_000, "one")))
    for after in range(5, 12):
        ask(after)
    assert room.desk.find("d-1").broker.account().units(EUR_USD) == 1_000
    room.act("stop", deployment_id="d-1", flatten=True)
    room.start()
    assert room.shown()["state"] == "stopped"
    skip_event(room.desk, room.desk.find("d-1"))
    assert room.shown()["position"] == 0
    room.start()
    assert room.shown()["position"] == 0
    assert room.act("resume", deployment_id="d-1")["state"] == "running"
    # a kernel that comes back sees every quote but the one that went by without it
    seen, after = [], 0
    for _ in range(15):
        reply = ask(after)
        seen.append(reply.event.seq)
        after = reply.event.seq
    assert seen == [*range(1, 13), 14, 15, 16]


def test_a_kernel_goes_on_with_a_paced_replay_whose_gateway_was_killed(room: Room) -> None:
    TickRoom(room, made_up_ticks(200), "M5", OnTicksOnly, events_per_second=10.0)

    def ask(after: int) -> Any:
        return room.ask(NextEvent(deployment_id="d-1", token=TOKEN, after=after, decision={}, quotes=True))

    room.clock.now += 4.05
    for after in range(40):
        assert ask(after).event.seq == after + 1
    room.start()  # it has written none of them, and its pace begins anew
    assert isinstance(ask(40), Waiting)
    room.clock.now += 0.15
    assert ask(40).event.seq == 41
    assert isinstance(ask(41), Waiting)


def make_feed(count: int = 300, **options: Any) -> Feed:
    ticks = made_up_ticks(count, seed=9)
    clock = options.pop("clock", lambda: 0.0)
    return TickReplay(
        [ticks], [bars_from_ticks(ticks, "M5")], events_per_second=options.get("pace", 0.0), monotonic=clock
    )


def test_events_of_a_tick_replay_are_gap_free_in_order_and_the_same_again() -> None:
    feed = make_feed()
    events = []
    while not events or not isinstance(events[-1], FeedEnded):
        events.append(feed.event(len(events) + 1))
    assert [item.seq for item in events] == list(range(1, len(events) + 1))
    assert sum(isinstance(item, QuoteMoved) for item in events) == 300
    times = [
        (item.quote.time_ns, 1) if isinstance(item, QuoteMoved) else (item.bar.close_ns, 0)
        for item in events
        if not isinstance(item, FeedEnded)
    ]
    assert times == sorted(times)
    assert all(item.quoted for item in events if isinstance(item, BarClosed))
    again = make_feed()
    for seq in (250, 3, 301, 1):
        assert again.event(seq) == events[seq - 1]


def test_a_paced_replay_gives_no_event_before_its_time_and_all_that_were_before_at_once() -> None:
    now = [0.0]
    feed = make_feed(clock=lambda: now[0], pace=10.0)
    assert feed.event(1) is None
    now[0] = 0.21
    assert feed.event(2) is not None
    assert feed.event(3) is None
    feed.recall(50)
    assert feed.event(50) is not None
    assert feed.event(51) is None
