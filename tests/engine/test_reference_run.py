"""A run that NautilusTrader 1.221.0 made on real quotes, reproduced fill by fill.

Data: FXCM GBP/USD M1, 1 February to 1 March 2012. Rule: every row gives four quotes (open, high, low,
close); 15-minute bid bars; exponential means of 10 and 20 bars seeded with the first close; at a bar's
close hold +100,000 when fast >= slow, else -100,000, from the 20th bar on, bars of a single price left out;
orders fill at the quote that ends the bar; everything is closed at the last quote. Commission 0.2 bp.
"""

import csv
import os
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal, to_micro
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.quotes import Quote
from workbench.engine import MatchingEngine
from workbench.indicators import ema

SAMPLES = Path(
    os.environ.get("WORKBENCH_SAMPLE_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data")
)
GBP_USD = instrument("GBP_USD")
UNITS = 100_000
MILLISECOND = 1_000_000
QUARTER = 15 * 60_000 * MILLISECOND


def rows(side: str) -> list[tuple[int, list[int]]]:
    with (SAMPLES / "fxcm_m1" / f"gbpusd-m1-{side}-2012.csv").open() as file:
        return [
            (
                to_ns(datetime.fromisoformat(row["timestamp"])),
                [GBP_USD.to_points(row[name]) for name in ("open", "high", "low", "close")],
            )
            for row in csv.DictReader(file)
        ]


@pytest.mark.skipif(
    not (SAMPLES / "fxcm_m1").is_dir(), reason="sample data absent: set WORKBENCH_SAMPLE_DATA to its folder"
)
def test_the_fills_and_the_balance_are_those_of_nautilus_trader():
    costs = InstrumentCosts(
        spread_points=(0,) * 168,
        commission_ppm=20,
        financing_long_ppm=0,
        financing_short_ppm=0,
        margin_rate_ppm=30_000,
    )
    cost_book = CostBook(broker="FXCM", valid_from=date(2012, 1, 1), costs={GBP_USD.id: costs})
    engine = MatchingEngine(
        instruments=[GBP_USD], cost_book=cost_book, currency="USD", balance=to_micro(1_000_000)
    )
    quote = Quote(instrument=GBP_USD.id, time_ns=0, bid=1, ask=1)
    fast, slow = ema.stream(10, seed="first"), ema.stream(20, seed="first")
    fills, count, placed = [], 0, 0
    prices: list[int] = []

    def order(units: int) -> None:
        nonlocal placed
        placed += 1
        name = ClientOrderId(f"order-{placed}")
        engine.submit(Order(client_order_id=name, instrument=GBP_USD.id, units=units))

    def close_bar(quote: Quote) -> None:
        nonlocal count
        count += 1
        above = fast.update(quote.bid) >= slow.update(quote.bid)
        wanted = UNITS if above else -UNITS
        held = engine.account().units(GBP_USD.id)
        if count >= 20 and len(set(prices)) > 1 and held != wanted:
            if held:
                order(-held)
            order(wanted)
            fills.extend(engine.on_quote(quote))

    end = 0
    for (stamp, bids), (_, asks) in zip(rows("bid"), rows("ask"), strict=True):
        for part, (bid, ask) in enumerate(zip(bids, asks, strict=True)):
            time_ns = stamp - (300 - 100 * part) * MILLISECOND
            end = end or -(-time_ns // QUARTER) * QUARTER
            while time_ns > end:  # no quote stamped at the bar's end: the last one stands
                close_bar(replace(quote, time_ns=end))
                prices, end = [quote.bid], end + QUARTER
            quote = Quote(instrument=GBP_USD.id, time_ns=time_ns, bid=bid, ask=ask)
            fills.extend(engine.on_quote(quote))
            prices.append(bid)
            if time_ns == end:
                close_bar(quote)
                prices, end = [], end + QUARTER
    order(-engine.account().units(GBP_USD.id))
    fills.extend(engine.on_quote(quote))

    with (SAMPLES / "reference" / "gbpusd_m15_ema_10_20_fills.csv").open() as file:
        expected = [
            (
                to_ns(datetime.fromisoformat(row["ts_last"])),
                UNITS if row["side"] == "BUY" else -UNITS,
                Decimal(row["avg_px"]),
            )
            for row in csv.DictReader(file)
        ]
    assert [(item.time_ns, item.units, GBP_USD.to_price(item.price)) for item in fills] == expected
    gross = sum(item.realized for item in fills)
    assert to_decimal(gross) == Decimal("2238")
    cent = Decimal("0.01")  # NautilusTrader books commissions in whole cents, halves up
    cents = sum(to_decimal(item.commission).quantize(cent, ROUND_HALF_UP) for item in fills)
    assert 1_000_000 + to_decimal(gross) - cents == Decimal("1001739.17")
