"""Several instruments on one account: all bars of an instant at once, one decision, one set of books."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from tests.gateway.bench import BALANCE, COSTS, WIDE, Kernel, Room, made_up_bars, opening
from workbench.domain.accounts import AccountSnapshot
from workbench.domain.cost_book import retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.orders import ClientOrderId, Fill, Order, OrderKind
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.gateway.deliveries import advance
from workbench.gateway.feeds import BarReplay
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import BarClosed, FeedEnded, IntentResult, QuoteMoved
from workbench.gateway.records import fill_of
from workbench.gateway.specs import parse_spec
from workbench.market import Bars, ReplayFeed, make_bars
from workbench.store.schema import fills, intents
from workbench.strategy import Decision

NAMES = ("EUR_USD", "GBP_USD", "AUD_USD")
BOOK = replace(COSTS, costs={InstrumentId(name): retail_costs(name) for name in NAMES})


def _series(count: int) -> list[Bars]:
    """Bars of three instruments, of two of them some missing."""
    found = [made_up_bars(count, seed=7 + number, name=name) for number, name in enumerate(NAMES)]
    return [found[0], _without(found[1], 5), _without(found[2], 7)]


def _without(bars: Bars, every: int) -> Bars:
    kept = np.flatnonzero(np.arange(len(bars)) % every != 3)
    prices = {name: getattr(bars, name)[kept] for name in bars.columns() if name.startswith(("bid_", "ask_"))}
    return make_bars(bars.instrument, timeframe=bars.timeframe, open_ns=bars.open_ns[kept], prices=prices)


def across(bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
    """Buy what rose, sell what fell, at the market or by an order that waits; take back what waited."""
    orders: list[Order] = []
    for bar in bars:
        dice = hashlib.sha256(f"{bar.instrument}{bar.open_ns}".encode()).digest()
        side = 1 if bar.bid_close > bar.bid_open else -1
        if dice[0] < 128:
            waits = dice[1] < 128
            name = ClientOrderId(f"x-{event_seq}-{len(orders)}")
            orders.append(
                Order(
                    client_order_id=name,
                    instrument=bar.instrument,
                    units=side * (1_000 + 10 * dice[2]),
                    kind=OrderKind.STOP if waits else OrderKind.MARKET,
                    price=(bar.ask_close if side > 0 else bar.bid_close) + side * 25 if waits else 0,
                    stop_distance=120 + dice[3],
                    trailing_distance=90 if dice[4] < 128 else 0,
                )
            )
    return Decision(
        orders=tuple(orders), cancels=tuple(ClientOrderId(f"x-{event_seq - 8}-{n}") for n in range(3))
    )


def _expected(series: Sequence[Bars]) -> list[Fill]:
    """What the engine alone makes of it, fed by the market room's replay."""
    engine = MatchingEngine(
        instruments=[bars.instrument for bars in series], cost_book=BOOK, currency="USD", balance=BALANCE
    )
    found: list[Fill] = []
    seq = 0
    for bars, events in _instants(ReplayFeed(series)):
        if not bars:
            for quote in events:
                seq += 1
                found += engine.on_quote(quote)
            continue
        seq += 1
        for bar in events:
            found += engine.on_bar(bar)
        decision = across(events, engine.account(), seq)
        for name in decision.cancels:
            engine.cancel(name)
        for order in decision.orders:
            engine.submit(order)
    return found


def _instants(feed: ReplayFeed) -> Iterator[tuple[bool, list[Any]]]:
    def key(event: Bar | Quote) -> tuple[int, bool]:
        return (event.close_ns, True) if isinstance(event, Bar) else (event.time_ns, False)

    for (_, is_bar), events in groupby(feed, key=key):
        yield is_bar, list(events)


def _changes(series: Sequence[Bars]) -> dict[str, Any]:
    return {
        "instruments": list(NAMES),
        "feed": {"fingerprints": {str(bars.instrument.id): bars.fingerprint for bars in series}},
        "cost_book": BOOK.to_json(),
        "limits": {**WIDE.to_json(), "instruments": list(NAMES)},
    }


def _room(
    url: str, home: Path, series: Sequence[Bars], at_boundary: Callable[[str], None] = lambda name: None
) -> Room:
    return Room(url=url, home=home, bars=series[0], more=series[1:], at_boundary=at_boundary)


def _kernel(room: Room, decide: Any = across) -> Kernel:
    kernel = room.open(decide=decide, **_changes([room.bars, *room.more]))
    kernel.across = True
    return kernel


def test_the_feed_is_the_market_room_s_replay_with_the_bars_of_an_instant_in_one_event() -> None:
    series = _series(60)
    feed = BarReplay(list(reversed(series)), bars_per_second=0, monotonic=lambda: 0.0)
    for number, event in enumerate(ReplayFeed(series)):
        if number == 0:
            seq, left = 0, []
        if not left:
            seq += 1
            taken = feed.event(seq)
            assert taken == feed.event(seq)
            left = list(taken.bars) if isinstance(taken, BarClosed) else [taken.quote]  # type: ignore[union-attr]
        assert left.pop(0) == event
    assert not left
    ended = feed.event(seq + 1)
    assert ended == FeedEnded(seq=seq + 1, time_ns=int(series[0].close_ns[-1]))


def test_one_instrument_s_feed_is_a_quote_and_a_bar_in_turn() -> None:
    bars = made_up_bars(5)
    feed = BarReplay([bars], bars_per_second=0, monotonic=lambda: 0.0)
    for seq in range(1, 11):
        event = feed.event(seq)
        assert isinstance(event, BarClosed if seq % 2 == 0 else QuoteMoved)
        assert event.seq == seq
    assert feed.event(10) == BarClosed(seq=10, bar=bars.bar(4))
    assert feed.event(11) == FeedEnded(seq=11, time_ns=int(bars.close_ns[-1]))


def test_several_instruments_trade_as_in_the_engine_alone_on_either_database(
    store_url: str, tmp_path: Path
) -> None:
    series = _series(96)
    expected = _expected(series)
    assert {fill.instrument for fill in expected} == set(NAMES)
    assert {fill.reason.value for fill in expected} >= {"MARKET", "STOP", "STOP_LOSS", "TRAILING_STOP"}
    room = _room(store_url, tmp_path / "home", series)
    kernel = _kernel(room)
    while not kernel.ended:
        kernel.run(most=17)
        room.start()
        assert room.shown()["state"] in ("running", "finished"), room.shown()["detail"]
    assert kernel.fills == expected
    with room.engine.connect() as connection:
        rows = connection.execute(sa.select(fills).order_by(fills.c.broker_trade_id)).mappings().all()
    assert [fill_of(row) for row in rows] == expected
    again = _kernel(room)
    again.run()
    assert again.fills == expected
    room.engine.dispose()


class _Killed(BaseException):
    """What nothing in the gateway may catch."""


def test_ended_at_boundaries_of_its_writes_it_comes_to_the_same_end(tmp_path: Path) -> None:
    series = _series(10)
    expected = _expected(series)
    assert len(expected) > 3
    for number in range(1, 200, 7):
        left = number

        def at_boundary(name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _Killed

        room = _room(f"sqlite:///{tmp_path}/{number}.db", tmp_path / "home", series, at_boundary)
        with contextlib.suppress(_Killed):
            _kernel(room).run()
        room.start()
        kernel = _kernel(room)
        kernel.run()
        assert kernel.fills == expected, number
        assert verify_journal(room.engine).fault == ""
        room.engine.dispose()
        if left > 0:
            break
    assert number > 50


def test_margin_and_open_orders_count_over_all_instruments_and_positions_for_each(
    sqlite_url: str, tmp_path: Path
) -> None:
    room = _room(sqlite_url, tmp_path / "home", _series(20))
    kernel = _kernel(room)
    kernel.take()

    def asked(name: str, of: str, units: int) -> str:
        order = Order(client_order_id=ClientOrderId(name), instrument=InstrumentId(of), units=units)
        reply = kernel.submit(order)
        assert isinstance(reply, IntentResult), reply
        return reply.control

    trading = room.desk.deployments["d-1"]
    trading.limits = replace(
        trading.limits, max_margin_use_ppm=60_000, max_position_units=120_000, max_open_orders=3
    )
    assert asked("one", "EUR_USD", 100_000) == ""  # about 4 % of the equity
    assert asked("two", "EUR_USD", 30_000) == "R09"
    assert asked("three", "GBP_USD", 100_000) == "R11"
    assert asked("four", "GBP_USD", 20_000) == ""
    assert asked("five", "AUD_USD", 1_000) == ""
    assert asked("six", "AUD_USD", 1_000) == "R08"
    assert asked("seven", "NZD_USD", 1_000) == "R18"


def test_flattening_closes_what_is_held_of_each_instrument(sqlite_url: str, tmp_path: Path) -> None:
    room = _room(sqlite_url, tmp_path / "home", _series(20))
    kernel = _kernel(room)
    kernel.take()
    for number, name in enumerate(NAMES[:2]):
        order = Order(
            client_order_id=ClientOrderId(f"o-{number}"), instrument=InstrumentId(name), units=-1_000
        )
        kernel.submit(order)
    kernel.take()
    kernel.take()
    assert room.shown()["position"] == 2_000
    closing = room.act("stop", deployment_id="d-1", flatten=True)["flatten_order"].split(", ")
    assert len(closing) == 2
    kernel.next()
    for _ in range(10):
        advance(room.desk, room.desk.deployments["d-1"], most=1)
    assert room.shown()["position"] == 0
    assert {row["state"] for row in room.rows(intents)} == {"FILLED"}


def test_a_deployment_needs_the_bars_of_each_instrument_and_one_currency() -> None:
    series = _series(20)
    good = opening("d-1", series[0], **_changes(series))
    assert parse_spec(good).records == tuple(instrument(name) for name in sorted(NAMES))
    less = {name: good["feed"]["fingerprints"][name] for name in NAMES[:2]}
    with pytest.raises(BadInputError, match="expected the fingerprint of the bars of each of"):
        parse_spec({**good, "feed": {**good["feed"], "fingerprints": less}})
    yen = {**good["feed"]["fingerprints"], "EUR_JPY": "f" * 64}
    with pytest.raises(BadInputError, match="EUR_JPY books its profit in JPY, account paper-1 is in USD"):
        parse_spec(
            {
                **good,
                "instruments": [*NAMES, "EUR_JPY"],
                "cost_book": replace(
                    BOOK, costs={**BOOK.costs, "EUR_JPY": retail_costs("EUR_JPY")}
                ).to_json(),
                "feed": {**good["feed"], "fingerprints": yen},
            }
        )
