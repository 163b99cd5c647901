"""NautilusTrader as a second oracle: the same orders on the same quotes give the same fills.

It needs an environment of its own, `make nautilus` builds it and runs this file; without it the tests are
skipped. NautilusTrader fills a resting limit or stop at its level; here it is filled at the quote that
reaches it, which is better or worse than the level when the market leaps, as brokers publish. On quotes that
move by one point at a time both are the same, and that is where prices are compared.
"""

import json
import os
import random
import subprocess
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from tests.engine.accounts import NOON, free_of_cost
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal, to_micro
from workbench.domain.orders import ClientOrderId, Fill, Order, OrderKind
from workbench.domain.quotes import Quote
from workbench.engine import MatchingEngine
from workbench.indicators import ema

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("WORKBENCH_NAUTILUS", ROOT / ".venv-nautilus" / "bin" / "python"))
SECOND = 1_000_000_000
EUR_USD = instrument("EUR_USD")

Quotes = list[tuple[int, int, int]]
Orders = list[tuple[int, str, int, int]]

pytestmark = [
    pytest.mark.nautilus,
    pytest.mark.skipif(
        not PYTHON.exists(), reason="no NautilusTrader: `make nautilus` installs it and runs this"
    ),
]


def made_up_quotes(seed: int, count: int, *, leap: int) -> Quotes:
    """Quotes a second apart; each side moves by `leap` points at most."""
    rng = random.Random(seed)
    bid, ask, quotes = 110_000, 110_003, []
    for number in range(count):
        quotes.append((NOON + number * SECOND, bid, ask))
        step = rng.choice([-1, 0, 1]) * rng.randint(1, leap)
        spread = ask - bid + (rng.choice([-1, 0, 1]) if step == 0 else 0)
        bid += step
        ask = bid + min(6, max(1, spread))
    return quotes


def orders_of_a_trader(quotes: Quotes, seed: int) -> Orders:
    """Market orders of two crossing averages, and limits and stops about the price."""
    rng = random.Random(seed)
    fast, slow = ema.stream(10, seed="first"), ema.stream(20, seed="first")
    orders: Orders = []
    wanted = 0
    for number, (_, bid, ask) in enumerate(quotes[:-1]):
        if number % 15 == 14:
            side = 1 if fast.update(float(bid)) >= slow.update(float(bid)) else -1
            if side != wanted:
                orders += [(number, "MARKET", side * 50_000, 0)] * (1 if not wanted else 2)
                wanted = side
        if rng.random() < 0.1:
            distance, units = rng.randint(1, 12), rng.choice([1_000, 2_000, 7_000])
            kind, side = rng.choice(["LIMIT", "STOP"]), rng.choice([-1, 1])
            away = -side if kind == "LIMIT" else side
            level = (ask if side > 0 else bid) + away * distance
            orders.append((number, kind, side * units, level))
        elif rng.random() < 0.02:
            orders.append((number, "LIMIT", 3_000, ask + 2))  # can be filled at once, at the ask
    return orders


def fills_of_nautilus(quotes: Quotes, orders: Orders) -> tuple[list[tuple[int, int, int, int]], Decimal]:
    given = json.dumps({"instrument": EUR_USD.id, "quotes": quotes, "orders": orders})
    script = Path(__file__).with_name("run_orders.py")
    done = subprocess.run(
        [str(PYTHON), str(script)], input=given, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["digits"] == EUR_USD.digits
    return [tuple(item) for item in found["fills"]], Decimal(found["balance"])


def our_fills(quotes: Quotes, orders: Orders) -> list[Fill]:
    """NautilusTrader lets an order meet the quote on which it was given, so that quote is fed again."""
    costs = free_of_cost(commission_ppm=20)
    book = CostBook(broker="SIM", valid_from=date(2026, 1, 1), costs={EUR_USD.id: costs})
    engine = MatchingEngine(
        instruments=[EUR_USD], cost_book=book, currency="USD", balance=to_micro(100_000_000)
    )
    by_quote: dict[int, list[Order]] = {}
    for number, (at, kind, units, price) in enumerate(orders, 1):
        name = ClientOrderId(str(number))
        order = Order(
            client_order_id=name, instrument=EUR_USD.id, units=units, kind=OrderKind(kind), price=price
        )
        by_quote.setdefault(at, []).append(order)
    fills: list[Fill] = []
    for number, (time_ns, bid, ask) in enumerate(quotes):
        quote = Quote(instrument=EUR_USD.id, time_ns=time_ns, bid=bid, ask=ask)
        fills += engine.on_quote(quote)
        for order in by_quote.get(number, ()):
            engine.submit(order)
        if number in by_quote:
            fills += engine.on_quote(quote)
    return fills


@pytest.mark.parametrize("seed", [1, 2])
def test_fills_and_balance_are_those_of_nautilus_trader(seed: int) -> None:
    quotes = made_up_quotes(seed, 4_000, leap=1)
    orders = orders_of_a_trader(quotes, seed)
    theirs, balance = fills_of_nautilus(quotes, orders)
    fills = our_fills(quotes, orders)
    ours = [(item.time_ns, int(item.client_order_id), item.units, item.price) for item in fills]
    assert sorted(ours) == sorted(theirs)
    assert len({orders[number - 1][1] for _, number, _, _ in ours}) == 3
    assert len(ours) > 200
    cent = Decimal("0.01")  # NautilusTrader books commissions in whole cents, halves up
    paid = sum(to_decimal(item.commission).quantize(cent, ROUND_HALF_UP) for item in fills)
    gross = sum(to_decimal(item.realized) for item in fills)
    # and profits too: each of its bookings may lie half a cent beside the exact one
    assert abs(100_000_000 + gross - paid - balance) <= cent / 2 * len(fills)


def test_when_the_market_leaps_the_same_orders_fill_at_the_same_quotes() -> None:
    quotes = made_up_quotes(3, 4_000, leap=9)
    orders = orders_of_a_trader(quotes, 3)
    theirs, _ = fills_of_nautilus(quotes, orders)
    ours = {int(item.client_order_id): item for item in our_fills(quotes, orders)}
    assert sorted(ours) == sorted(number for _, number, _, _ in theirs)
    limits_filled_at = {time_ns for time_ns, number, _, _ in theirs if orders[number - 1][1] == "LIMIT"}
    leapt = late = 0
    for time_ns, number, units, price in theirs:
        kind, side, fill = orders[number - 1][1], (1 if units > 0 else -1), ours[number]
        assert fill.units == units
        if time_ns != fill.time_ns:
            # of two limits that one quote reaches NautilusTrader may leave the second to a later quote
            assert kind == "LIMIT"
            assert time_ns > fill.time_ns
            assert fill.time_ns in limits_filled_at
            late += 1
        worse = (fill.price - price) * side
        assert worse == 0 if kind == "MARKET" else worse <= 0 if kind == "LIMIT" else worse >= 0
        leapt += worse != 0
    assert leapt > 20
    assert late < len(theirs) // 20
