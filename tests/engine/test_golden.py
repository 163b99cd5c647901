"""Published amounts, reproduced by the engine."""

from decimal import Decimal

import pytest

from tests.engine.accounts import NOON, Desk, at, free_of_cost
from workbench.domain.money import to_decimal
from workbench.domain.orders import FillReason


@pytest.mark.parametrize(
    ("name", "price", "pip_up", "value"),
    [  # one lot gains by one pip; support.miltonmarkets.com, "1 pip of profit or loss"
        ("EUR_USD", "1.10000", "1.10010", "10"),
        ("USD_CHF", "0.90000", "0.90010", "10"),
        ("EUR_JPY", "130.000", "130.010", "1000"),
    ],
)
def test_a_pip_of_a_lot_is_worth_what_brokers_publish(name, price, pip_up, value):
    desk = Desk(name, balance="10000000")
    desk.order(100_000)
    desk.quote(price)
    desk.order(-100_000)
    (fill,) = desk.quote(pip_up)
    assert to_decimal(fill.realized) == Decimal(value)


@pytest.mark.parametrize(
    ("name", "units", "entry", "leave", "profit"),
    [  # upforex.com/resources/trading-rules
        ("EUR_USD", 500_000, "1.34500", "1.34900", "2000"),
        ("USD_CHF", -300_000, "0.89820", "0.89240", "1740"),
    ],
)
def test_profit_is_what_the_published_trades_made(name, units, entry, leave, profit):
    desk = Desk(name)
    desk.order(units)
    desk.quote(entry)
    desk.order(-units)
    desk.quote(leave)
    assert desk.balance == 100_000 + Decimal(profit)


def test_crossing_the_spread_costs_what_fxcm_says():
    # fxcm.com "charges for trading": 1,000 EUR/USD at 1.35000/1.35020 and back costs 0.20 USD
    desk = Desk()
    desk.order(1_000)
    desk.quote("1.35000", "1.35020")
    assert desk.equity == Decimal("99999.80")
    desk.order(-1_000)
    desk.quote("1.35000", "1.35020")
    assert desk.balance == Decimal("99999.80")


def test_a_stop_in_a_gap_fills_where_the_market_reopens():
    # support.avatrade.com: long EUR/JPY from 125.70, stop 125.50, the market jumps from 125.82 to 125.339
    desk = Desk("EUR_JPY", balance="10000000")
    desk.order(10_000, stop=200)
    desk.quote("125.700")
    assert desk.quote("125.820") == []
    (fill,) = desk.quote("125.339")
    assert (fill.price, fill.reason, fill.client_order_id) == (125_339, FillReason.STOP_LOSS, "order-1")


def test_a_days_financing_is_oandas():
    # oanda.com profit calculator: 100,000 EUR/USD long at 1.15826, -3.00 % a year: -9.52 USD a day
    desk = Desk(costs=free_of_cost(financing_long_ppm=-30_000))
    desk.order(100_000)
    desk.quote("1.15826")
    desk.quote("1.15826", time_ns=at("2026-03-03 03:00"))  # 17:00 New York was at 22:00
    booked = to_decimal(desk.engine.account().financing)
    assert round(booked, 2) == Decimal("-9.52")
    assert booked == Decimal("-9.519945")  # 100,000 * 1.15826 * 0.03 / 365, to the micro-unit


@pytest.mark.parametrize(
    ("day", "days"),
    [("02", 1), ("03", 1), ("04", 3), ("05", 1), ("06", 1)],  # support.equiti.com: Monday 10, Wednesday 30
)
def test_financing_is_charged_for_the_days_between_value_dates(day, days):
    desk = Desk(costs=free_of_cost(financing_long_ppm=-36_500))
    desk.quote("1.00000", time_ns=at(f"2026-03-{day} 12:00"))
    desk.order(100_000)
    desk.quote("1.00000", time_ns=at(f"2026-03-{day} 12:01"))
    desk.quote("1.00000", time_ns=at(f"2026-03-{day} 23:00"))
    assert to_decimal(desk.engine.account().financing) == -10 * days


def test_the_day_ends_at_17_new_york_in_summer_and_in_winter():
    # 6 March 2026: 22:00 UTC; 9 March, after the clocks changed: 21:00 UTC
    desk = Desk(costs=free_of_cost(financing_long_ppm=-36_500))
    desk.order(100_000)
    desk.quote("1.00000", time_ns=at("2026-03-06 21:58"))
    desk.quote("1.00000", time_ns=at("2026-03-06 21:59"))
    assert desk.balance == 100_000
    desk.quote("1.00000", time_ns=at("2026-03-06 22:00"))
    assert desk.balance == 99_990
    desk.quote("1.00000", time_ns=at("2026-03-09 20:59"))
    assert desk.balance == 99_990
    desk.quote("1.00000", time_ns=at("2026-03-09 21:00"))
    assert desk.balance == 99_980


def test_opening_at_16_59_and_closing_at_17_01_pays_a_full_day():
    desk = Desk(costs=free_of_cost(financing_short_ppm=-36_500))
    desk.order(-100_000)
    desk.quote("1.00000", time_ns=at("2026-03-02 21:59"))
    desk.order(100_000)
    desk.quote("1.00000", time_ns=at("2026-03-02 22:01"))
    assert desk.balance == 99_990


def test_commission_is_interactive_brokers_on_a_large_order():
    # 0.20 basis points of 500,000 USD: 10.00 USD
    desk = Desk(costs=free_of_cost(commission_ppm=20))
    desk.order(500_000)
    (fill,) = desk.quote("1.00000")
    assert to_decimal(fill.commission) == 10


def test_margin_is_what_fxpro_publishes():
    # 10,000 EUR/USD at 1.33 and 100:1 ties up 133 USD
    desk = Desk(costs=free_of_cost(margin_rate_ppm=10_000))
    desk.order(10_000)
    desk.quote("1.33000")
    assert to_decimal(desk.engine.account().margin_used) == 133


def test_everything_is_closed_when_equity_at_mid_is_half_the_margin():
    # OANDA: closeoutPercent = 0.5 * margin / NAV at mid >= 1. Here the margin is 2 % of 100,000 * mid.
    desk = Desk(balance="2050")
    desk.order(100_000)
    desk.quote("1.00000")
    assert desk.quote("0.98941", "0.98943") == []  # equity 992.00, margin 1,978.84
    assert desk.quote("0.98939", "0.98941") == []  # equity 990.00, margin 1,978.80: half is 989.40
    (fill,) = desk.quote("0.98938", "0.98940")  # equity 989.00, margin 1,978.78: half is 989.39
    assert (fill.reason, fill.price, fill.position) == (FillReason.MARGIN_CLOSEOUT, 98_938, 0)
    assert desk.balance == 2050 - 1062


def test_an_order_beyond_the_margin_is_dropped_and_a_reducing_one_is_not():
    desk = Desk(balance="2000")
    desk.order(100_001)
    desk.order(100_000)
    assert [item.units for item in desk.quote("1.00000")] == [100_000]
    assert desk.engine.take_canceled() == [("order-1", "insufficient margin")]
    assert desk.engine.take_canceled() == []
    desk.order(-40_000)
    assert [item.units for item in desk.quote("0.99500")] == [-40_000]


def test_time_is_that_of_the_last_event():
    desk = Desk()
    desk.quote("1.10000", time_ns=NOON)
    assert desk.engine.time_ns == NOON
