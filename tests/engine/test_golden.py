"""Published amounts, reproduced by the engine."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.engine.accounts import NOON, Desk, at, free_of_cost
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.domain.orders import FillReason
from workbench.engine import account_books, core


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


def test_gains_and_losses_are_converted_at_the_rates_of_oandas_account():
    # real account: EUR/USD 1.12157/1.12170 and EUR/JPY 115.329/115.346 (oandapyV20 responses)
    for name, bid, ask, gain, loss in (
        ("EUR_USD", "1.12157", "1.12170", "0.89150397", "0.89160730"),
        ("EUR_JPY", "115.329", "115.346", "0.00866957", "0.00867085"),
    ):
        for sign, factor in ((1, gain), (-1, loss)):
            record = instrument(name)
            account, trades = core.new_account(0), core.new_rows(core.TRADE_SIZE)
            book = CostBook(broker="x", valid_from=date(2026, 1, 1), costs={record.id: free_of_cost()})
            books = account_books([record], cost_book=book, currency="EUR", account=account)
            books[0, [core.B_BID, core.B_ASK]] = record.to_points(bid), record.to_points(ask)
            found = core.in_account_currency(account, books, 0, sign * 10**17)
            assert round(Decimal(int(found)) / 10**17, 8) == sign * Decimal(factor)
            assert core.core_equity(account, books, trades) == 0


def test_a_closed_trade_of_an_account_in_euro_is_oandas():
    # long 100 EUR/USD at 1.09448, closed at 1.09289: -0.1455 EUR (oandapyV20 responses)
    desk = Desk(currency="EUR")
    desk.order(100)
    desk.quote("1.09448")
    desk.order(-100)
    (fill,) = desk.quote("1.09289")
    assert round(to_decimal(fill.realized), 4) == Decimal("-0.1455")


def test_a_profit_in_francs_is_converted_as_published():
    # upforex.com: sell 3 lots USD/CHF 0.8982 -> 0.8924: 1,740 CHF = 1,949.80 USD
    desk = Desk("USD_CHF", currency="USD")
    desk.order(-300_000)
    desk.quote("0.89820")
    desk.order(300_000)
    (fill,) = desk.quote("0.89240")
    assert round(to_decimal(fill.realized), 2) == Decimal("1949.80")


def test_a_pip_in_other_currencies_is_worth_what_brokers_publish():
    # FxPro: 1 lot EUR/USD at 1.35554 in EUR: 7.37713; Forexmart: in GBP at USD/GBP 0.6548: 6.548
    desk = Desk(currency="EUR")
    desk.order(100_000)
    desk.quote("1.35544")
    desk.order(-100_000)
    (fill,) = desk.quote("1.35554")
    assert round(to_decimal(fill.realized), 5) == Decimal("7.37713")
    usd_gbp = replace(instrument("EUR_GBP"), id="USD_GBP", base="USD")
    desk = Desk("EUR_USD", usd_gbp, currency="GBP")
    desk.quote("0.65480", k=1)
    desk.order(100_000)
    desk.quote("1.35544")
    desk.order(-100_000)
    (fill,) = desk.quote("1.35554")
    assert to_decimal(fill.realized) == Decimal("6.548")


@pytest.mark.parametrize(
    ("balance", "entry", "bid", "ask", "nav", "mid_nav", "part", "available"),
    [  # two real account snapshots (oandapyV20 responses); percent are parts here
        ("48695.6580", "9914.9", "9949.0", "9950.6", "49377.6580", "49393.6580", 0.10072, "39427.8580"),
        ("35454.4740", "10581.5", "10581.5", "10581.5", "35454.4740", "35454.4740", 0.14923, "24872.9740"),
    ],
)
def test_close_out_figures_are_those_of_oandas_accounts(
    balance, entry, bid, ask, nav, mid_nav, part, available
):
    index = replace(instrument("EUR_USD"), id="XAU_EUR", base="XAU", quote="EUR", digits=1, pip_exponent=0)
    desk = Desk(index, balance=balance, costs=free_of_cost(margin_rate_ppm=50_000))
    desk.order(20)
    desk.quote(entry)
    desk.quote(bid, ask)
    account = desk.engine.account()
    assert to_decimal(account.equity) == Decimal(nav)
    assert to_decimal(account.mid_equity) == Decimal(mid_nav)
    assert round(account.close_out_part, 5) == part
    # OANDA's own `marginAvailable` takes the margin at 9,948.9: here it is taken at mid
    assert to_decimal(account.margin_available) == Decimal(available)


def test_margin_is_what_forexmart_publishes_in_pounds():
    # 100,000 EUR/USD at 200:1 in GBP with EUR/GBP 0.7369: 368.45 GBP
    desk = Desk(*("EUR_USD", "EUR_GBP", "GBP_USD"), currency="GBP", costs=free_of_cost(margin_rate_ppm=5_000))
    desk.quote("0.73690", k=1)
    desk.quote("1.50000", k=2)
    desk.order(100_000)
    desk.quote("1.10535")
    assert to_decimal(desk.engine.account().margin_used) == Decimal("368.45")


def test_a_margin_of_2_percent_is_a_leverage_of_50():
    desk = Desk(balance="2000", costs=free_of_cost(margin_rate_ppm=20_000))
    desk.order(100_000)
    assert [item.units for item in desk.quote("1.00000")] == [100_000]


def test_a_large_order_takes_the_buckets_in_order():
    # asks 1M at 115.346, 2M at 115.347, 5M at 115.348: 4M cost 115.347 on average
    desk = Desk("EUR_JPY", balance="100000000")
    desk.order(4_000_000)
    asks = ((115_346, 1_000_000), (115_347, 2_000_000), (115_348, 5_000_000))
    fills = desk.points(115_329, 115_346, asks=asks)
    assert [(item.units, item.price) for item in fills] == [
        (1_000_000, 115_346),
        (2_000_000, 115_347),
        (1_000_000, 115_348),
    ]
    assert desk.engine.account().positions[0].average_price == 115_347


@pytest.mark.parametrize(("units", "swap"), [(-100_000, "2.17"), (100_000, "-5.45")])
def test_swap_in_points_is_what_brokers_publish(units, swap):
    # helpcenter.ultimarkets.com: 1 lot EUR/USD, short 2.17 points, long -5.45 a night, in USD
    desk = Desk(
        costs=free_of_cost(
            financing_mode="POINTS", financing_long_ppm=-5_450_000, financing_short_ppm=2_170_000
        )
    )
    desk.order(units)
    desk.quote("1.10000")
    desk.quote("1.10000", time_ns=at("2026-03-03 03:00"))
    assert to_decimal(desk.engine.account().financing) == Decimal(swap)


def test_swap_in_points_is_converted_as_published():
    # buzzfx.com: 5 lots EUR/USD, EUR account, 0.15 points at 1.0895: 0.6884
    desk = Desk(currency="EUR", costs=free_of_cost(financing_mode="POINTS", financing_long_ppm=150_000))
    desk.order(500_000)
    desk.quote("1.08950")
    desk.quote("1.08950", time_ns=at("2026-03-03 03:00"))
    assert round(to_decimal(desk.engine.account().financing), 4) == Decimal("0.6884")


@pytest.mark.parametrize(("units", "paid"), [(100_000, 2), (500_000, 10)])
def test_commission_is_interactive_brokers_with_its_minimum(units, paid):
    # interactivebrokers.com.au: 0.20 basis points, at least 2 USD an order
    desk = Desk(costs=free_of_cost(commission_ppm=20, commission_minimum=2_000_000))
    desk.order(units)
    (fill,) = desk.quote("1.00000")
    assert to_decimal(fill.commission) == paid


@pytest.mark.parametrize(
    ("name", "day", "days"),
    [
        ("USD_CAD", "2026-03-04", 1),  # settles after one day: the weekend is charged on Thursday
        ("USD_CAD", "2026-03-05", 3),
        ("EUR_USD", "2025-05-21", 4),  # Wednesday before Memorial Day
    ],
)
def test_financing_knows_settlement_and_holidays(name, day, days):
    desk = Desk(name, costs=free_of_cost(financing_long_ppm=-36_500))
    desk.time_ns = at(f"{day} 12:00")
    desk.order(100_000)
    desk.quote("1.00000")
    desk.quote("1.00000", time_ns=at(f"{day} 23:00"))
    assert to_decimal(desk.engine.account().financing) == -10 * days
