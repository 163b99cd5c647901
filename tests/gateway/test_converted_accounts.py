"""Instruments quoted in another currency than the account: orders are valued on the dear side, or denied."""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import BALANCE, COSTS, START, WIDE, Kernel, Room, made_up_bars, opening
from workbench.domain.control_table import FIRM, Layer
from workbench.domain.controls import LIMITS, Sense
from workbench.domain.cost_book import retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.controls import Elsewhere, Exposure, check_order
from workbench.gateway.messages import IntentResult
from workbench.strategy import Decision

USD_JPY = instrument("USD_JPY")
EXPOSURE = Exposure(
    instrument=USD_JPY,
    margin_rate_ppm=40_000,
    bid=150_000,
    ask=150_010,
    equity=BALANCE,
    day_start_equity=BALANCE,
    peak_equity=BALANCE,
    position=0,
    waiting=(),
    orders_last_minute=0,
    killed="",
    time_ns=START,
    currency="USD",
    home_rate=(1_000, 150_000),  # a yen costs 1 / 150.000 dollars
)
LIMITS_OF_YEN = replace(WIDE, instruments=("USD_JPY",))
OPEN = {name: () if kind.sense is Sense.FORBIDDEN else None for name, kind in LIMITS.items()}


def _order(units: int, name: str = "o", of: str = "USD_JPY", **more: Any) -> Order:
    return Order(client_order_id=ClientOrderId(name), instrument=InstrumentId(of), units=units, **more)


@pytest.mark.parametrize(
    ("limit", "order", "more", "observed"),
    [
        # 10,000 dollars cost 1,500,100 yen at 150.010, which cost 10,000.6666.. dollars at 150.000
        ("max_order_value", _order(10_000), {}, 10_000_666_667),
        ("max_order_value", _order(-10_000), {}, 10_000_000_000),
        ("max_order_value_ppm", _order(10_000), {}, 100_007),
        # 4 % of it are 400.0266.. of 100,000 dollars
        ("max_margin_use_ppm", _order(10_000), {}, 4_001),
        # short 10,000.6666.. dollars of yen, and 20,000 more by EUR_JPY: of 100,000 dollars
        (
            "max_currency_exposure_ppm",
            _order(10_000),
            {"elsewhere": (Elsewhere(base="EUR", quote="JPY", longest=20_000_000_000, shortest=0),)},
            300_007,
        ),
    ],
)
def test_money_is_counted_in_the_accounts_currency(
    limit: str, order: Order, more: dict[str, Any], observed: int
) -> None:
    for value, stops in ((observed - 1, True), (observed, False), (observed + 1, False)):
        layer = Layer(scope=FIRM, values={**OPEN, limit: value})
        found = check_order(order, limits=LIMITS_OF_YEN, exposure=replace(EXPOSURE, layers=(layer,), **more))
        assert (found is not None) == stops
        if found is not None:
            assert f"observed {observed}" in found.reason


def test_without_a_conversion_price_only_what_reduces_passes() -> None:
    layer = Layer(scope=FIRM, values=OPEN)
    unpriced = replace(EXPOSURE, layers=(layer,), home_rate=(0, 1), unpriced="JPY of USD_JPY", position=5_000)
    found = check_order(_order(1_000), limits=LIMITS_OF_YEN, exposure=unpriced)
    assert found is not None
    assert found.control == "R15"
    assert "observed none for JPY of USD_JPY" in found.reason
    assert check_order(_order(-5_000), limits=LIMITS_OF_YEN, exposure=unpriced) is not None
    reducing = _order(-5_000, reduce_only=True)
    assert check_order(reducing, limits=LIMITS_OF_YEN, exposure=unpriced) is None


def test_a_desk_converts_by_an_instrument_that_it_does_not_trade(sqlite_url: str, tmp_path: Path) -> None:
    traded = made_up_bars(12, name="EUR_GBP")
    late = made_up_bars(12, seed=8, name="GBP_USD").at(3, 12)
    book = replace(COSTS, costs={name: retail_costs(name) for name in ("EUR_GBP", "GBP_USD")})  # type: ignore[misc]
    series = {"EUR_GBP": traded, "GBP_USD": late}
    spec = opening(
        "d-1",
        traded,
        instruments=["EUR_GBP"],
        quoted=["GBP_USD"],
        feed={"fingerprints": {name: bars.fingerprint for name, bars in series.items()}},
        cost_book=book.to_json(),
        limits={"instruments": ["EUR_GBP"]},
    )
    room = Room(sqlite_url, tmp_path / "home", traded)
    room.desk.load_bars = lambda spec, record: series[record.id]
    room.act("open", **spec)
    kernel = Kernel(room.ask, across=True, decide=lambda *_: Decision())
    kernel.attach()
    trading = room.desk.deployments["d-1"]

    def asked(name: str, units: int, of: str = "EUR_GBP") -> IntentResult:
        reply = kernel.submit(_order(units, name, of))
        assert isinstance(reply, IntentResult), reply
        return reply

    kernel.take()
    before = asked("before", 1_000)
    assert (before.state, before.control) == ("DENIED", "R15")
    assert "observed none for GBP of EUR_GBP" in before.reason
    for _ in range(4):
        kernel.take()
    ask, home_ask = (trading.prices[InstrumentId(name)][1] for name in series)
    worth = ceil(Fraction(1_000 * ask, 10**5) * Fraction(home_ask, 10**5) * 10**6)
    trading.limits = replace(trading.limits, max_order_value=worth - 1)
    assert f"limit {worth - 1}, observed {worth}" in asked("over", 1_000).reason
    trading.limits = replace(trading.limits, max_order_value=worth)
    assert asked("at", 1_000).state == "WORKING"
    assert asked("untraded", 1_000, "GBP_USD").control == "R18"
    kernel.take()
    kernel.take()
    assert trading.books.units(InstrumentId("EUR_GBP")) == 1_000
    assert trading.books.currency == "USD"
    exposure = trading.exposure(InstrumentId("EUR_GBP"), killed="")
    assert exposure.equity == trading.books.equity != BALANCE
