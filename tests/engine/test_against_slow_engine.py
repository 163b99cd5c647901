"""The compiled engine and one written in fractions must agree to the last micro-unit."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.made_up_market import Cancel, Change, World, made_up_world
from tests.engine.slow_engine import SlowEngine
from workbench.domain.orders import Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine


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
    if isinstance(event, Change):
        return engine.change_exits(
            event.instrument,
            trade=event.trade,
            stop=event.stop,
            target=event.target,
            trailing=event.trailing,
        )
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
        held.trail_level if held.trail else 0,
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


@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**48), count=st.integers(1, 40))
def test_every_fill_and_every_balance_equals_that_of_the_slow_engine(seed: int, count: int) -> None:
    compare(made_up_world(seed, count))
