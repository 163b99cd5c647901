"""The slow engine by itself: published amounts, and rules whose outcome is plain to see."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.engine.accounts import free_of_cost
from tests.engine.slow_engine import SlowEngine
from tests.engine.slow_money import NoConversionError, day_ends, days_charged
from workbench.domain.accounts import AccountMode, AccountRules, CloseOut, HedgedMargin
from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, FinancingMode, InstrumentCosts, swap_weekdays
from workbench.domain.instruments import Instrument, InstrumentId, instrument
from workbench.domain.money import to_decimal, to_micro
from workbench.domain.orders import ClientOrderId, Order, OrderKind, PositionFill, TimeInForce
from workbench.domain.quotes import Bar, Quote

MINUTE = 60_000_000_000
NOON = to_ns(datetime(2026, 3, 2, 12, tzinfo=UTC))  # a Monday

RECORDS = {  # of a real account's position in an index
    "DEX_EUR": Instrument(id=InstrumentId("DEX_EUR"), base="DEX", quote="EUR", digits=1, pip_exponent=0)
}


class Slow:
    """A slow engine that is talked to in prices."""

    def __init__(
        self,
        *names: str,
        currency: str = "USD",
        balance: str = "100000",
        costs: InstrumentCosts | None = None,
        rules: AccountRules | None = None,
    ) -> None:
        self.records = {name: RECORDS.get(name) or instrument(name) for name in names or ("EUR_USD",)}
        book = CostBook(
            broker="made up",
            valid_from=date(2026, 1, 1),
            costs={item.id: costs or free_of_cost() for item in self.records.values()},
        )
        self.engine = SlowEngine(
            list(self.records.values()),
            [book],
            currency,
            to_micro(Decimal(balance)),
            rules or AccountRules(),
        )
        self.time_ns, self.placed = NOON, 0

    def order(self, units: int, name: str = "", **fields: object) -> ClientOrderId:
        self.placed += 1
        key = ClientOrderId(f"order-{self.placed}")
        record = self.records[name] if name else next(iter(self.records.values()))
        self.engine.submit(Order(client_order_id=key, instrument=record.id, units=units, **fields))
        return key

    def quote(self, bid: str, ask: str = "", name: str = "", *, time_ns: int = 0, **sizes: object) -> list:
        self.time_ns = time_ns or self.time_ns + MINUTE
        record = self.records[name] if name else next(iter(self.records.values()))
        seen = len(self.engine.fills)
        self.engine.on_quote(
            Quote(
                instrument=record.id,
                time_ns=self.time_ns,
                bid=record.to_points(bid),
                ask=record.to_points(ask or bid),
                **sizes,
            )
        )
        return self.engine.fills[seen:]

    def bar(self, bids: str, *, spread: int = 0) -> list:
        """A bar of "open high low close" bid prices, quote and range; fills of both."""
        record = next(iter(self.records.values()))
        first, high, low, last = (record.to_points(item) for item in bids.split())
        begin, self.time_ns = self.time_ns, self.time_ns + 60 * MINUTE
        seen = len(self.engine.fills)
        self.engine.on_quote(Quote(instrument=record.id, time_ns=begin, bid=first, ask=first + spread))
        self.engine.on_bar(
            Bar(
                instrument=record.id,
                open_ns=begin,
                close_ns=self.time_ns,
                bid_open=first,
                bid_high=high,
                bid_low=low,
                bid_close=last,
                ask_open=first + spread,
                ask_high=high + spread,
                ask_low=low + spread,
                ask_close=last + spread,
            )
        )
        return self.engine.fills[seen:]

    @property
    def balance(self) -> Decimal:
        return to_decimal(self.engine.balance)


def outcome(fills: list) -> list[tuple]:
    """Units, price and reason of fills."""
    return [(units, price, reason) for _, _, _, units, price, reason, *_ in fills]


@pytest.mark.parametrize(
    ("name", "units", "entry", "leave", "profit"),
    [
        ("EUR_USD", 100_000, "1.10000", "1.10010", "10"),  # G-PIP1
        ("USD_CHF", 100_000, "0.90000", "0.90010", "10"),  # G-PIP2
        ("EUR_JPY", 100_000, "130.000", "130.010", "1000"),  # G-PIP3
        ("EUR_USD", 500_000, "1.34500", "1.34900", "2000"),  # G-PL2
        ("USD_CHF", -300_000, "0.89820", "0.89240", "1740"),  # G-PL3
    ],
)
def test_profit_in_the_quote_currency_is_what_is_published(name, units, entry, leave, profit):
    desk = Slow(name, currency=instrument(name).quote, balance="10000000")
    desk.order(units)
    desk.quote(entry)
    desk.order(-units)
    desk.quote(leave)
    assert desk.balance == 10_000_000 + Decimal(profit)


def test_profit_in_francs_is_converted_into_dollars():
    desk = Slow("USD_CHF", balance="10000000")  # G-PL3: 1,740 CHF = 1,949.80 USD at 0.8924
    desk.order(-300_000)
    desk.quote("0.89820")
    desk.order(300_000)
    desk.quote("0.89240")
    assert round(desk.balance - 10_000_000, 2) == Decimal("1949.80")


def test_a_pip_in_another_home_currency_is_what_is_published():
    desk = Slow(currency="EUR", balance="10000000")  # G-PIP4
    desk.order(100_000)
    desk.quote("1.35544")
    desk.order(-100_000)
    desk.quote("1.35554")
    assert round(desk.balance - 10_000_000, 5) == Decimal("7.37713")
    pounds = Slow("EUR_USD", "GBP_USD", currency="GBP", balance="10000000")  # G-PIP5: USD/GBP 0.6548
    pounds.quote("1.52718", name="GBP_USD")
    pounds.order(100_000)
    pounds.quote("1.10000")
    pounds.order(-100_000)
    pounds.quote("1.10010")
    assert round(pounds.balance - 10_000_000, 3) == Decimal("6.548")


def test_a_round_trip_costs_the_spread():
    desk = Slow()  # G-PIP6
    desk.order(1_000)
    desk.quote("1.35000", "1.35020")
    desk.order(-1_000)
    desk.quote("1.35000", "1.35020")
    assert desk.balance == Decimal("99999.80")


@pytest.mark.parametrize(
    ("name", "bid", "ask", "gain", "loss"),
    [  # G-CONV1 and G-CONV2, a real euro account
        ("EUR_USD", "1.12157", "1.12170", "0.89150397", "0.89160730"),
        ("EUR_JPY", "115.329", "115.346", "0.00866957", "0.00867085"),
    ],
)
def test_gains_and_losses_are_converted_at_oandas_two_factors(name, bid, ask, gain, loss):
    desk = Slow(name, currency="EUR")
    desk.quote(bid, ask)
    exchange = desk.engine.exchange
    market = exchange.markets[name]
    digits = len(gain.split(".")[1])
    assert round(float(exchange._factor(market, gain=True)), digits) == float(gain)
    assert round(float(exchange._factor(market, gain=False)), digits) == float(loss)


def test_a_real_trade_of_a_euro_account_is_reproduced():
    desk = Slow(currency="EUR")  # G-PL1
    desk.order(100)
    desk.quote("1.09448")
    desk.order(-100)
    desk.quote("1.09289")
    assert round(desk.balance - 100_000, 4) == Decimal("-0.1455")


def test_two_legs_each_lie_on_their_adverse_side_and_the_markup_widens_them_once():
    costs = free_of_cost(conversion_markup_ppm=5_000)
    desk = Slow("EUR_USD", "USD_CAD", currency="EUR", costs=costs)
    desk.quote("1.10000", "1.20000")
    desk.quote("1.50000", "1.60000", "USD_CAD")
    exchange = desk.engine.exchange
    market = exchange.markets["USD_CAD"]
    assert round(float(exchange._factor(market, gain=True)), 9) == round(0.995 / 1.6 / 1.2, 9)
    assert round(float(exchange._factor(market, gain=False)), 9) == round(1.005 / 1.5 / 1.1, 9)


def test_money_that_can_not_be_converted_stops_the_engine():
    desk = Slow("EUR_USD", "GBP_JPY", "USD_JPY")
    desk.order(1_000, "GBP_JPY")
    with pytest.raises(NoConversionError, match="USD_JPY has no quote yet"):
        desk.quote("150.000", name="GBP_JPY")


def test_margin_is_what_is_published():
    desk = Slow(costs=free_of_cost(margin_rate_ppm=10_000))  # G-MAR3
    desk.order(10_000)
    desk.quote("1.33000")
    assert to_decimal(desk.engine.margin()) == 133
    pounds = Slow("EUR_USD", "EUR_GBP", "GBP_USD", currency="GBP", costs=free_of_cost(margin_rate_ppm=5_000))
    pounds.quote("0.73690", name="EUR_GBP")
    pounds.quote("1.50000", name="GBP_USD")
    pounds.order(100_000)
    pounds.quote("1.10000")
    assert to_decimal(pounds.engine.margin()) == Decimal("368.45")


def test_the_margin_of_a_real_account_is_reproduced():
    costs = free_of_cost(margin_rate_ppm=50_000)  # G-MAR1: 20 units, half the spread is 0.8
    desk = Slow("DEX_EUR", currency="EUR", balance="48695.6580", costs=costs)
    desk.order(20)
    desk.quote("9913.3", "9914.9")
    desk.quote("9949.0", "9950.6")
    assert to_decimal(desk.engine.equity()) == Decimal("49377.6580")
    at_mid = to_decimal(desk.engine.twice_equity_at_mid()) / 2
    assert at_mid == Decimal("49393.6580")
    used = to_decimal(desk.engine.margin())
    assert used == Decimal("9949.80")
    assert round(used / 2 / at_mid, 5) == Decimal("0.10072")
    assert round(used / at_mid, 5) == Decimal("0.20144")


def test_the_close_out_comes_at_half_the_margin_on_mid_prices():
    desk = Slow(balance="2050")  # G-MAR4: 2 % of margin is 50:1
    desk.order(100_000)
    desk.quote("1.00000")
    assert desk.quote("0.98939", "0.98941") == []  # equity at mid 990.00, half the margin 989.40
    assert outcome(desk.quote("0.98938", "0.98940")) == [(-100_000, 98_938, "MARGIN_CLOSEOUT")]
    assert desk.engine.margin_calls == 1


def test_a_gap_fills_stops_where_the_market_reopens():
    desk = Slow("EUR_JPY", currency="JPY", balance="10000000")  # G-GAP1
    desk.order(10_000, stop_distance=200)
    desk.quote("125.700")
    desk.quote("125.820")
    assert outcome(desk.quote("125.339")) == [(-10_000, 125_339, "STOP_LOSS")]


def test_sizes_are_taken_from_the_best_price_on():
    desk = Slow("EUR_JPY", currency="JPY", balance="1000000000")  # G-VWAP1
    desk.order(4_000_000)
    asks = ((115_346, 1_000_000), (115_347, 2_000_000), (115_348, 5_000_000))
    fills = outcome(desk.quote("115.329", "115.346", asks=asks))
    assert [(units, price) for units, price, _ in fills] == [
        (1_000_000, 115_346),
        (2_000_000, 115_347),
        (1_000_000, 115_348),
    ]
    assert sum(units * price for units, price, _ in fills) == 4_000_000 * 115_347


@pytest.mark.parametrize(
    ("force", "filled", "reasons"),
    [
        (TimeInForce.FOK, [], ["not enough liquidity"]),
        (TimeInForce.IOC, [300], ["rest of an immediate order"]),
        (TimeInForce.GTC, [300, 700], []),
    ],
)
def test_what_is_not_there_ends_or_waits_by_time_in_force(force, filled, reasons):
    desk = Slow()
    desk.order(1_000, time_in_force=force)
    fills = desk.quote("1.10000", asks=((110_000, 300),)) + desk.quote("1.10000")
    assert [units for units, _, _ in outcome(fills)] == filled
    assert [reason for _, reason in desk.engine.canceled] == reasons


def test_oandas_financing_is_reproduced():
    desk = Slow(costs=free_of_cost(financing_long_ppm=-30_000))  # G-FIN1
    desk.order(100_000)
    desk.quote("1.15826")
    desk.quote("1.15826", time_ns=to_ns(datetime(2026, 3, 3, 3, tzinfo=UTC)))
    assert round(to_decimal(desk.engine.financing), 2) == Decimal("-9.52")


@pytest.mark.parametrize(
    ("units", "currency", "price", "points", "published"),
    [  # G-SWAP1 and G-SWAP2
        (100_000, "USD", "1.10000", "-5.45", "-5.45"),
        (-100_000, "USD", "1.10000", "2.17", "2.17"),
        (500_000, "EUR", "1.08950", "0.15", "0.6884"),
    ],
)
def test_metatraders_points_are_reproduced(units, currency, price, points, published):
    rate = int(Decimal(points) * 1_000_000)
    costs = free_of_cost(financing_long_ppm=rate, financing_short_ppm=rate)
    desk = Slow(currency=currency, costs=replace(costs, financing_mode=FinancingMode.POINTS))
    desk.order(units)
    desk.quote(price)
    desk.quote(price, time_ns=to_ns(datetime(2026, 3, 3, 3, tzinfo=UTC)))
    assert round(to_decimal(desk.engine.financing), 4) == Decimal(published)


def test_interest_on_360_days_and_money_by_lot_are_charged_too():
    costs = free_of_cost(financing_long_ppm=-36_000)
    by_year = replace(costs, financing_mode=FinancingMode.ANNUAL_360)
    by_lot = replace(costs, financing_mode=FinancingMode.CURRENCY, financing_long_ppm=-4_250_000)
    for given, charged in ((by_year, -10), (by_lot, Decimal("-4.25"))):
        desk = Slow(costs=given)
        desk.order(100_000)
        desk.quote("1.00000")
        desk.quote("1.00000", time_ns=to_ns(datetime(2026, 3, 3, 3, tzinfo=UTC)))
        assert to_decimal(desk.engine.financing) == charged


@pytest.mark.parametrize(
    ("name", "days"),
    [("EUR_USD", (1, 1, 3, 1, 1)), ("USD_CAD", (1, 1, 1, 3, 1))],  # G-ROLL1 and G-ROLL2
)
def test_the_weekend_is_charged_when_the_value_date_leaps_over_it(name, days):
    desk = Slow(name, currency=instrument(name).quote)
    market = desk.engine.markets[name]
    assert tuple(days_charged(market, date(2026, 3, 9 + day)) for day in range(5)) == days
    market.costs = replace(market.costs, financing_weekdays=swap_weekdays("FRI"))
    assert days_charged(market, date(2026, 3, 13)) == 3


def test_the_day_ends_at_17_new_york_in_summer_and_winter():
    ends = day_ends(
        to_ns(datetime(2026, 3, 6, tzinfo=UTC)), to_ns(datetime(2026, 3, 9, 21, tzinfo=UTC)), inclusive=True
    )
    assert [datetime.fromtimestamp(instant / 1e9, UTC).hour for instant, _ in ends] == [
        22,
        22,
        21,
        21,
    ]  # G-CAL1


def test_interactive_brokers_commission_has_a_minimum_an_order():
    costs = free_of_cost(commission_ppm=20, commission_minimum=2_000_000)  # G-IB1
    for units, paid in ((100_000, 2), (500_000, 10), (10_000, 2)):
        desk = Slow(costs=costs, balance="1000000")
        desk.order(units)
        desk.quote("1.00000")
        assert to_decimal(desk.engine.commission) == paid
    thin = Slow(costs=costs)
    thin.order(10_000)
    first, second = thin.quote("1.00000", asks=((100_000, 5_000), (100_001, 5_000)))
    assert (first[6], second[6]) == (2_000_000, 0)


def test_a_bar_that_reaches_stop_and_target_counts_as_the_stop():
    desk = Slow()
    desk.order(1_000, stop_distance=10, target_distance=10)
    fills = desk.bar("1.00000 1.00020 0.99980 1.00000")
    assert outcome(fills) == [(1_000, 100_000, "MARKET"), (-1_000, 99_990, "STOP_LOSS")]
    assert desk.engine.ambiguous == 1


def test_a_trailing_stop_is_hit_within_a_bar_only_where_that_is_certain():
    desk = Slow()
    desk.order(1_000, trailing_distance=10)
    assert outcome(desk.bar("1.00000 1.00030 0.99995 1.00015")) == [
        (1_000, 100_000, "MARKET"),
        (-1_000, 100_020, "TRAILING_STOP"),  # the close came after the best price
    ]
    other = Slow()
    other.order(1_000, trailing_distance=10)
    assert len(other.bar("1.00000 1.00030 0.99995 1.00025")) == 1
    assert outcome(other.quote("1.00019")) == [(-1_000, 100_019, "TRAILING_STOP")]


def test_an_order_filled_in_a_range_meets_its_stop_first():
    desk = Slow()
    desk.quote("1.00000")
    desk.order(1_000, kind=OrderKind.STOP, price=100_010, stop_distance=5, target_distance=5)
    fills = desk.bar("1.00000 1.00030 0.99990 1.00020")
    assert outcome(fills) == [(1_000, 100_010, "STOP"), (-1_000, 100_005, "STOP_LOSS")]
    assert desk.engine.ambiguous == 1


def test_hedged_trades_live_side_by_side_and_fifo_closes_the_oldest():
    hedged = Slow(rules=AccountRules(mode=AccountMode.HEDGING, hedged_margin=HedgedMargin.MAXIMAL_SIDE))
    first = hedged.order(1_000)
    hedged.order(-400)
    hedged.quote("1.00000")
    assert [held.units for held in hedged.engine.holdings] == [1_000, -400]
    assert to_decimal(hedged.engine.margin()) == 20
    hedged.order(-300, closes=first)
    hedged.quote("1.00000")
    assert [held.units for held in hedged.engine.holdings] == [700, -400]
    fifo = Slow(rules=AccountRules(mode=AccountMode.FIFO))
    for units in (1_000, 500, -1_200):
        fifo.order(units)
    fifo.quote("1.00000")
    assert [held.units for held in fifo.engine.holdings] == [300]
    younger = fifo.order(500)
    fifo.quote("1.00000")
    fifo.order(-200, closes=younger)
    fifo.quote("1.00000")
    assert fifo.engine.canceled == [("order-5", "FIFO violation")]


def test_the_largest_loss_is_closed_first_and_no_more_than_needed():
    rules = AccountRules(close_out=CloseOut.LARGEST_LOSS_FIRST)
    desk = Slow("EUR_USD", "GBP_USD", balance="4000", rules=rules)
    desk.order(100_000, "EUR_USD")
    desk.order(50_000, "GBP_USD")
    desk.quote("1.00000", name="EUR_USD")
    desk.quote("1.00000", name="GBP_USD")
    fills = desk.quote("0.97400", name="EUR_USD")
    assert outcome(fills) == [(-100_000, 97_400, "MARGIN_CLOSEOUT")]
    assert [held.market.instrument.id for held in desk.engine.holdings] == ["GBP_USD"]


def test_reducing_orders_are_cut_and_what_would_open_is_refused():
    desk = Slow()
    desk.order(1_000)
    desk.quote("1.00000")
    desk.order(-5_000, reduce_only=True)
    desk.order(-10, position_fill=PositionFill.REDUCE_ONLY)
    assert outcome(desk.quote("1.00000")) == [(-1_000, 100_000, "MARKET")]
    assert desk.engine.canceled == [("order-3", "nothing to close")]
