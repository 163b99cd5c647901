"""The compiled engine and one written in fractions must agree to the last micro-unit."""

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.made_up_market import START, Cancel, World, made_up_world
from tests.engine.slow_engine import SlowEngine
from tests.engine.slow_money import NoConversionError
from workbench.domain.accounts import AccountMode, CloseOut
from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, ExitChange, FillReason, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine
from workbench.engine.errors import MissingConversionError
from workbench.engine.matching import CANCEL_REASONS


def slow_engine(world: World) -> SlowEngine:
    return SlowEngine(world.instruments, world.books, world.currency, world.balance, world.rules)


def fast_engine(world: World) -> MatchingEngine:
    return MatchingEngine(
        instruments=world.instruments,
        cost_book=world.books,
        currency=world.currency,
        balance=world.balance,
        rules=world.rules,
    )


def feed(engine: SlowEngine | MatchingEngine, event: object) -> object:
    """Give an engine one event; what it says."""
    if isinstance(event, Order):
        return engine.submit(event)
    if isinstance(event, Cancel):
        return engine.cancel(event.name)
    if isinstance(event, ExitChange):
        return engine.change_exits(event)
    return engine.on_quote(event) if isinstance(event, Quote) else engine.on_bar(event)


def plain(fill) -> tuple:
    return (
        fill.client_order_id,
        fill.instrument,
        fill.time_ns,
        fill.units,
        fill.price,
        str(fill.reason),
        fill.commission,
        fill.realized,
        fill.position,
        fill.balance,
    )


def exits(held) -> tuple[int, int, int]:
    """Levels of the stop, the target and the trailing stop."""
    return (
        held.stop[0] if held.stop else 0,
        held.target[0] if held.target else 0,
        max(0, held.trail_level) if held.trail else 0,  # one below every price is not shown
    )


def check_account(fast: MatchingEngine, slow: SlowEngine) -> None:
    account = fast.account()
    assert account.balance == slow.balance
    assert account.equity == slow.equity()
    assert account.margin_used == slow.margin()
    assert (account.financing, account.commission) == (slow.financing, slow.commission)
    assert account.margin_calls == slow.margin_calls
    assert fast.ambiguous_bars == slow.ambiguous
    assert list(fast.waiting()) == [item.order.client_order_id for item in slow.waiting]
    if slow.rules.mode == "NETTING":
        found = {item.instrument: item for item in account.positions}
        for held in slow.holdings:
            position = found.pop(held.market.instrument.id)
            assert position.units == held.units
            assert (position.stop, position.target, position.trailing) == exits(held)
            assert position.unrealized == slow.unrealized(held)
        assert not found
        return
    assert [
        (item.client_order_id, item.instrument, item.units, (item.stop, item.target, item.trailing))
        for item in account.trades
    ] == [(held.trade, held.market.instrument.id, held.units, exits(held)) for held in slow.holdings]
    for name in slow.markets:
        assert account.units(name) == slow.units(name)


def compare(world: World) -> None:
    fast, slow = fast_engine(world), slow_engine(world)
    seen_fills = seen_canceled = 0
    for event in world.events:
        said = feed(fast, event), feed(slow, event)
        canceled = fast.take_canceled()
        assert canceled == slow.canceled[seen_canceled:]
        seen_canceled = len(slow.canceled)
        if isinstance(event, Quote | Bar):
            assert [plain(fill) for fill in said[0]] == slow.fills[seen_fills:]
            seen_fills = len(slow.fills)
        else:
            assert said[0] == said[1]
        check_account(fast, slow)


def what_happened(world: World) -> Counter[str]:
    """The kinds of things that the slow engine met in a world."""
    engine, met = slow_engine(world), Counter[str]()
    times: dict[str, int] = {}
    for event in world.events:
        before = {id(held): held.units for held in engine.holdings}
        booked, version = engine.financing, [market.costs for market in engine.markets.values()]
        ambiguous, seen = engine.ambiguous, len(engine.fills)
        waits = {item.order.client_order_id for item in engine.waiting}
        feed(engine, event)
        fills = engine.fills[seen:]
        names = [fill[0] for fill in fills]
        met["an order replaced"] += isinstance(event, Order) and event.replaces in waits
        met["financing booked"] += engine.financing != booked
        met["costs changed with a position"] += bool(
            before and version != [market.costs for market in engine.markets.values()]
        )
        met["an order filled at several prices"] += len(names) > len(set(names))
        met["a position turned"] += any(before.get(id(held), 0) * held.units < 0 for held in engine.holdings)
        met["a trade or position reduced"] += any(
            0 < abs(held.units) < abs(before.get(id(held), 0)) for held in engine.holdings
        )
        met["longs and shorts held at once"] += any(min(engine._sides(name)) > 0 for name in engine.markets)
        met["an order waits with a rest"] += any(item.left != item.order.units for item in engine.waiting)
        met["a conversion with a profit"] += any(
            fill[7] > 0 and not fill[1].endswith(engine.currency) for fill in fills
        )
        met["a conversion with a loss"] += any(
            fill[7] < 0 and not fill[1].endswith(engine.currency) for fill in fills
        )
        met["something held through margin calls"] += engine.called
        if isinstance(event, Quote):
            met["crossed quote"] += event.bid > event.ask
            met["locked quote"] += event.bid == event.ask
            met["quotes at the same time"] += times.get(event.instrument) == event.time_ns
            times[event.instrument] = event.time_ns
        elif isinstance(event, Bar):
            met["both hit"] += engine.ambiguous != ambiguous
            met["an exit within a bar"] += any(fill[5] in EXITS for fill in fills)
            met["an entry within a bar"] += any(fill[5] not in EXITS for fill in fills)
            met["entry and exit within a bar"] += len(names) > len(set(names))
            met["two fills of one bar"] += len(fills) > 1
    met.update(f"filled: {fill[5]}" for fill in engine.fills)
    met.update(f"canceled: {reason}" for _, reason in engine.canceled)
    met["margin call"] += engine.margin_calls
    met[f"account: {world.rules.mode}"] += 1
    met[f"close-out policy: {world.rules.close_out}"] += any(
        fill[5] == "MARGIN_CLOSEOUT" for fill in engine.fills
    )
    return met


EXITS = ("STOP_LOSS", "TAKE_PROFIT", "TRAILING_STOP", "MARGIN_CLOSEOUT")
EVERYTHING = (
    *(f"filled: {reason}" for reason in FillReason),
    *(f"canceled: {reason}" for reason in CANCEL_REASONS if reason != "position too large"),
    *(f"account: {mode}" for mode in AccountMode),
    *(f"close-out policy: {policy}" for policy in CloseOut),
    "an order replaced",
    *("financing booked", "costs changed with a position", "an order filled at several prices"),
    *("a position turned", "a trade or position reduced", "longs and shorts held at once"),
    *("an order waits with a rest", "a conversion with a profit", "a conversion with a loss"),
    *("something held through margin calls", "margin call", "crossed quote", "locked quote"),
    *("quotes at the same time", "both hit", "an exit within a bar", "an entry within a bar"),
    *("entry and exit within a bar", "two fills of one bar"),
)


def test_the_made_up_worlds_are_dense_in_everything_that_can_happen() -> None:
    met = Counter[str]()
    for seed in range(600):
        met += what_happened(made_up_world(seed, 30))
    rare = {name: met[name] for name in EVERYTHING if met[name] < 10}
    assert not rare


def test_both_engines_stop_where_money_can_not_be_converted() -> None:
    world = made_up_world(0, 1)
    record, pair = instrument("GBP_JPY"), instrument("USD_JPY")
    costs = replace(retail_costs("GBP_JPY"), commission_ppm=20)
    book = CostBook(broker="x", valid_from=date(2026, 1, 1), costs={record.id: costs, pair.id: costs})
    order = Order(client_order_id=ClientOrderId("a"), instrument=record.id, units=1_000)
    quote = Quote(instrument=record.id, time_ns=START, bid=150_000, ask=150_010)
    lone = replace(world, instruments=(record, pair), currency="USD", books=(book,), balance=10**12)
    for make, error in ((fast_engine, MissingConversionError), (slow_engine, NoConversionError)):
        engine = make(lone)
        engine.submit(order)
        with pytest.raises(error):
            engine.on_quote(quote)


@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**48), count=st.integers(1, 40))
def test_every_fill_and_every_balance_equals_that_of_the_slow_engine(seed: int, count: int) -> None:
    compare(made_up_world(seed, count))
