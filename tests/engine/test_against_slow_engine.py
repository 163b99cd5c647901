"""The compiled engine and one written in fractions must agree to the last micro-unit."""

import random
from datetime import UTC, date, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.slow_engine import SlowEngine
from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine

START = to_ns(datetime(2026, 3, 2, 12, tzinfo=UTC))  # the week before New York changes its clocks
MINUTE = 60_000_000_000
NAMES = ("EUR_USD", "XAU_USD")

costs = st.builds(
    InstrumentCosts,
    spread_points=st.just((3,) * 168),
    commission_ppm=st.sampled_from([0, 1, 20, 333, 5_001]),
    financing_long_ppm=st.sampled_from([-25_000, -1, 0, 7_777, 900_000]),
    financing_short_ppm=st.sampled_from([-5_000, 0, 12_345, -800_001]),
    margin_rate_ppm=st.sampled_from([10_000, 33_333, 50_000, 500_000, 1_000_000]),
    slippage_points=st.sampled_from([0, 0, 1, 7]),
)
steps = (0, 1, 1, 7, 60, 240, 60 * 11, 60 * 24, 60 * 72)  # minutes
units = (-5_000, -1_000, -999, -333, -1, 1, 333, 1_000, 2_001, 7_000)


def made_up_events(seed: int, count: int) -> list[tuple]:
    """A dense stream of orders, quotes and bars; hypothesis chooses the seed."""
    rng = random.Random(seed)
    wild = rng.choice([5, 60, 200])
    events: list[tuple] = []
    for _ in range(count):
        k = rng.choice([0, 0, 0, 1])
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            stop, target = rng.choice([0, 0, 1, 10, 40, 5_000]), rng.choice([0, 0, 1, 15, 60, 5_000])
            events.append(("order", k, rng.choice(units), rng.random() < 0.3, stop, target))
        moves = [rng.randint(-wild, wild) for _ in range(4)]
        events.append(
            (rng.choice(["quote", "bar"]), k, rng.choice(steps), moves[0], rng.randint(0, 12), moves[1:])
        )
    return events


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    books=st.tuples(costs, costs),
    balance=st.sampled_from([5_000_000, 50_000_000, 10**9, 10**12]),
    seed=st.integers(0, 2**32),
    count=st.integers(1, 60),
)
def test_every_fill_and_every_balance_equals_that_of_the_slow_engine(books, balance, seed, count):
    records = [instrument(name) for name in NAMES]
    cost_book = CostBook(
        broker="made up", valid_from=date(2026, 1, 1), costs=dict(zip(NAMES, books, strict=True))
    )
    fast = MatchingEngine(instruments=records, cost_book=cost_book, currency="USD", balance=balance)
    slow = SlowEngine(records, cost_book, balance)
    time_ns, prices, placed = START, [1_000, 900], 0
    fills, canceled = [], []
    for kind, k, *rest in made_up_events(seed, count):
        if kind == "order":
            size, reduce_only, stop, target = rest
            placed += 1
            order = Order(
                client_order_id=ClientOrderId(f"order-{placed}"),
                instrument=records[k].id,
                units=size,
                reduce_only=reduce_only,
                stop_distance=stop,
                target_distance=target,
            )
            fast.submit(order)
            slow.submit(order)
            continue
        minutes, move, spread = rest[:3]
        time_ns += minutes * MINUTE
        prices[k] = max(100, prices[k] + move)
        quote = Quote(instrument=records[k].id, time_ns=time_ns, bid=prices[k], ask=prices[k] + spread)
        fills += fast.on_quote(quote)
        slow.on_quote(quote)
        if kind == "bar":
            path = [prices[k], *(max(100, prices[k] + item) for item in rest[3])]
            prices[k] = path[-1]
            time_ns += 60 * MINUTE
            bar = Bar(
                instrument=records[k].id,
                open_ns=time_ns - 60 * MINUTE,
                close_ns=time_ns,
                bid_open=path[0],
                bid_high=max(path),
                bid_low=min(path),
                bid_close=path[-1],
                ask_open=path[0] + spread,
                ask_high=max(path) + spread,
                ask_low=min(path) + spread,
                ask_close=path[-1] + spread,
            )
            fills += fast.on_bar(bar)
            slow.on_bar(bar)
        canceled += fast.take_canceled()
        account = fast.account()
        assert account.balance == slow.balance
        assert account.equity == slow.equity()
        assert account.margin_used == slow.margin()
        assert (account.financing, account.commission) == (slow.financing, slow.commission)
        for position in account.positions:
            lot = slow.lots[position.instrument]
            assert position.units == lot.units
            assert (position.stop, position.target) == (
                lot.stop[0] if lot.stop else 0,
                lot.target[0] if lot.target else 0,
            )
    found = [
        (
            item.client_order_id,
            item.instrument,
            item.time_ns,
            item.units,
            item.price,
            str(item.reason),
            item.commission,
            item.realized,
            item.position,
            item.balance,
        )
        for item in fills
    ]
    assert found == slow.fills
    assert canceled == slow.canceled
    assert fast.ambiguous_bars == slow.ambiguous
