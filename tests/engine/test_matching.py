"""The rules of fills, stops, netting and money."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.accounts import MINUTE, NOON, Desk, free_of_cost
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.orders import FillReason, Order
from workbench.domain.quotes import Quote
from workbench.engine import MatchingEngine, TimeReversedError, UnsupportedAccountCurrencyError
from workbench.errors import BadInputError


def test_an_order_waits_for_the_next_quote_of_its_instrument():
    desk = Desk("EUR_USD", "GBP_USD")
    desk.order(1_000, k=1)
    assert desk.quote("1.10000", "1.10010") == []
    (fill,) = desk.quote("1.30000", "1.30020", k=1)
    assert (fill.instrument, fill.price, fill.units, fill.position) == ("GBP_USD", 130_020, 1_000, 1_000)


def test_buys_pay_the_ask_and_sells_get_the_bid_less_slippage():
    desk = Desk(costs=free_of_cost(slippage_points=3))
    desk.order(1_000)
    assert desk.quote("1.10000", "1.10010")[0].price == 110_013
    desk.order(-1_000)
    assert desk.quote("1.10000", "1.10010")[0].price == 109_997


def test_slippage_falls_on_stops_and_not_on_targets():
    desk = Desk(costs=free_of_cost(slippage_points=3))
    desk.order(1_000, stop=100, target=100)
    desk.quote("1.10000")
    assert desk.bar("1.10000 1.10000 1.09000 1.09000")[0].price == 109_900
    desk.order(1_000, stop=100, target=100)
    desk.quote("1.10000")
    assert desk.bar("1.10000 1.11000 1.10000 1.11000")[0].price == 110_103


@pytest.mark.parametrize(("units", "stop", "target"), [(1_000, 109_910, 110_110), (-1_000, 110_100, 109_900)])
def test_stop_and_target_are_measured_from_the_fill(units, stop, target):
    desk = Desk()
    desk.order(units, stop=100, target=100)
    desk.quote("1.10000", "1.10010")
    (position,) = desk.engine.account().positions
    assert (position.stop, position.target) == (stop, target)


@pytest.mark.parametrize(
    ("units", "bar", "reason", "price"),
    [
        (1_000, "1.10000 1.10050 1.09900 1.09950", FillReason.STOP_LOSS, 109_900),
        (1_000, "1.10000 1.10100 1.09901 1.09950", FillReason.TAKE_PROFIT, 110_100),
        (1_000, "1.09800 1.10100 1.09700 1.09950", FillReason.STOP_LOSS, 109_800),  # gap at the open
        (1_000, "1.10200 1.10300 1.09700 1.09950", FillReason.TAKE_PROFIT, 110_200),  # better than asked
        (-1_000, "1.10000 1.10100 1.09950 1.09950", FillReason.STOP_LOSS, 110_100),
        (-1_000, "1.10000 1.10050 1.09900 1.09950", FillReason.TAKE_PROFIT, 109_900),
        (-1_000, "1.10200 1.10300 1.09700 1.09950", FillReason.STOP_LOSS, 110_200),
        (-1_000, "1.09800 1.10100 1.09700 1.09950", FillReason.TAKE_PROFIT, 109_800),
    ],
)
def test_a_bar_fills_stop_and_target_at_their_level_or_at_the_gap(units, bar, reason, price):
    desk = Desk()
    desk.order(units, stop=100, target=100)
    desk.quote("1.10000")
    (fill,) = desk.bar(bar)
    assert (fill.reason, fill.price, fill.position) == (reason, price, 0)


def test_stops_watch_the_closing_side_of_the_market():
    desk = Desk()
    desk.order(-1_000, stop=100)
    desk.quote("1.10000", "1.10010")
    assert desk.bar("1.10000 1.10099 1.10000 1.10050", spread=0) == []
    (fill,) = desk.bar("1.10050 1.10090 1.10050 1.10050", spread=10)  # the ask reaches 1.10100
    assert (fill.reason, fill.price) == (FillReason.STOP_LOSS, 110_100)


def test_a_bar_that_reaches_both_is_a_stop_and_is_counted():
    desk = Desk()
    desk.order(1_000, stop=100, target=100)
    (_, fill) = desk.bar("1.10000 1.10500 1.09500 1.10000")
    assert fill.reason == FillReason.STOP_LOSS
    assert desk.engine.ambiguous_bars == 1


def test_a_stop_that_the_fill_itself_has_passed_goes_at_the_open_not_at_its_level():
    desk = Desk()
    desk.order(1_000, stop=5)  # spread 10: the bid is below the stop from the start
    (_, fill) = desk.bar("1.10000 1.10004 1.09990 1.10000", spread=10)
    assert (fill.reason, fill.price) == (FillReason.STOP_LOSS, 110_000)


def test_fills_within_a_bar_carry_its_close_as_their_time():
    desk = Desk()
    desk.order(1_000, stop=100)
    market, stop = desk.bar("1.10000 1.10000 1.09000 1.09500")
    assert (market.time_ns, stop.time_ns) == (NOON, NOON + 60 * MINUTE)


def test_reduce_only_never_opens_or_turns():
    desk = Desk()
    first = desk.order(-500, reduce_only=True)
    assert desk.quote("1.10000") == []
    assert desk.engine.take_canceled() == [(first, "nothing to close")]
    desk.order(1_000)
    desk.quote("1.10000")
    desk.order(-5_000, reduce_only=True)
    again = desk.order(-5_000, reduce_only=True)
    assert [item.units for item in desk.quote("1.10000")] == [-1_000]
    assert desk.engine.take_canceled() == [(again, "nothing to close")]


def test_reducing_keeps_the_average_and_turning_starts_anew():
    desk = Desk()
    desk.order(1_000)
    desk.quote("1.10000")
    desk.order(1_000)
    desk.quote("1.10010")
    desk.order(-500)
    desk.quote("1.20000")
    (position,) = desk.engine.account().positions
    assert (position.units, position.average_price) == (1_500, 110_005)
    desk.order(-2_500, stop=50)
    desk.quote("1.20000")
    (position,) = desk.engine.account().positions
    assert (position.units, position.average_price, position.stop) == (-1_000, 120_000, 120_050)


def test_adding_without_a_stop_keeps_the_old_one_and_turning_drops_it():
    desk = Desk()
    desk.order(1_000, stop=100, target=300)
    desk.quote("1.10000")
    desk.order(1_000)
    desk.quote("1.10050")
    assert desk.engine.account().positions[0].stop == 109_900
    desk.order(1_000, stop=100)
    desk.quote("1.10050")
    assert [(p.stop, p.target) for p in desk.engine.account().positions] == [(109_950, 110_300)]
    desk.order(-4_000)
    desk.quote("1.10050")
    assert [(p.units, p.stop, p.target) for p in desk.engine.account().positions] == [(-1_000, 0, 0)]


def test_a_position_of_one_instrument_backs_the_margin_of_another():
    desk = Desk("EUR_USD", "GBP_USD", balance="2500")
    desk.order(100_000)
    desk.quote("1.00000")
    desk.order(100_000, k=1)
    desk.quote("1.00000", k=1)
    assert desk.engine.take_canceled() == [("order-2", "insufficient margin")]
    desk.order(20_000, k=1)
    desk.quote("1.00000", k=1)
    fills = desk.quote("0.98000")
    assert [(item.instrument, item.reason) for item in fills] == [
        ("EUR_USD", FillReason.MARGIN_CLOSEOUT),
        ("GBP_USD", FillReason.MARGIN_CLOSEOUT),
    ]


def test_a_position_too_large_to_count_exactly_is_not_opened():
    desk = Desk(balance="1000000000000", costs=free_of_cost(margin_rate_ppm=1))
    desk.order(1_000_000_000)
    desk.order(1)
    assert len(desk.quote("1.10000")) == 1
    assert desk.engine.take_canceled() == [("order-2", "position too large")]


@settings(max_examples=200, deadline=None)
@given(
    trades=st.lists(
        st.tuples(st.integers(-5_000, 5_000), st.integers(50_000, 200_000)), min_size=1, max_size=30
    ),
    last=st.integers(50_000, 200_000),
)
def test_profits_booked_until_flat_sum_to_proceeds_less_cost(trades, last):
    desk = Desk(balance="1000000")
    fills = []
    for units, points in [*trades, (None, last)]:
        held = desk.engine.account().units("EUR_USD")
        if units := -held if units is None else units:
            desk.order(units)
        fills += desk.quote(str(instrument("EUR_USD").to_price(points)))
    assert desk.engine.account().positions == ()
    assert sum(item.realized for item in fills) == -sum(item.units * item.price * 10 for item in fills)
    assert desk.engine.account().balance == 10**12 + sum(item.realized - item.commission for item in fills)


@settings(max_examples=100, deadline=None)
@given(
    trades=st.lists(
        st.tuples(st.integers(-5_000, 5_000).filter(bool), st.integers(90_000, 110_000)),
        min_size=1,
        max_size=20,
    ),
    commission=st.integers(0, 500),
    rate=st.integers(-50_000, 50_000),
)
def test_twice_the_units_make_twice_the_profit_up_to_rounding(trades, commission, rate):
    costs = free_of_cost(commission_ppm=commission, financing_long_ppm=rate, financing_short_ppm=-rate)
    equities = []
    for factor in (1, 2):
        desk = Desk(balance="1000000", costs=costs)
        for units, points in trades:
            desk.order(factor * units)
            time_ns = desk.time_ns + 300 * MINUTE
            desk.quote(str(instrument("EUR_USD").to_price(points)), time_ns=time_ns)
        equities.append(desk.engine.account().equity - 10**12)
    bookings = 3 * len(trades) + 5  # each rounds by at most half a micro-unit, once in each run
    assert abs(equities[1] - 2 * equities[0]) <= 1.5 * bookings


@settings(max_examples=100, deadline=None)
@given(
    prices=st.lists(st.integers(90_000, 110_000), min_size=1, max_size=40), rate=st.integers(-90_000, 90_000)
)
def test_a_flat_account_neither_pays_nor_earns(prices, rate):
    desk = Desk(costs=free_of_cost(financing_long_ppm=rate, financing_short_ppm=rate))
    for points in prices:
        time_ns = desk.time_ns + 700 * MINUTE
        assert desk.quote(str(instrument("EUR_USD").to_price(points)), time_ns=time_ns) == []
    account = desk.engine.account()
    assert (account.balance, account.equity, account.financing, account.commission) == (10**11, 10**11, 0, 0)


def test_a_restored_engine_goes_on_as_if_nothing_had_happened():
    one, two = Desk("EUR_USD", "GBP_USD"), Desk("EUR_USD", "GBP_USD")
    for desk in (one, two):
        desk.order(1_000, stop=500, target=900)
        desk.quote("1.10000", "1.10010")
        desk.order(7_000_000_00, k=0)
        desk.quote("1.10000", "1.10010")
        desk.order(-300, k=1)
    other = Desk("EUR_USD", "GBP_USD")
    other.engine.restore(two.engine.snapshot())
    other.time_ns = two.time_ns
    assert other.engine.snapshot() == one.engine.snapshot()
    for desk in (one, other):
        assert [item.client_order_id for item in desk.quote("1.30000", k=1)] == ["order-3"]
        assert [item.client_order_id for item in desk.quote("1.09000")] == ["order-1"]
        assert desk.engine.take_canceled() == [("order-2", "insufficient margin")]
    assert other.engine.account() == one.engine.account()


def test_a_state_of_other_instruments_is_not_taken():
    with pytest.raises(BadInputError, match="GBP_USD"):
        Desk("EUR_USD").engine.restore(Desk("GBP_USD").engine.snapshot())


def test_cancel_all_drops_what_waits():
    desk = Desk()
    names = [desk.order(1_000), desk.order(-500)]
    assert desk.engine.cancel_all() == names
    assert desk.quote("1.10000") == []
    assert desk.engine.take_canceled() == []


def test_time_does_not_run_back():
    desk = Desk()
    desk.quote("1.10000")
    with pytest.raises(TimeReversedError, match="order of time"):
        desk.quote("1.10000", time_ns=NOON)


def test_an_account_in_another_currency_says_what_it_needs():
    with pytest.raises(UnsupportedAccountCurrencyError, match="prices of JPY in USD"):
        Desk("EUR_JPY", currency="USD")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 0}, "1 to 1,000,000,000 units"),
        ({"units": -2_000_000_000}, "1 to 1,000,000,000 units"),
        ({"stop_distance": -1}, "0 or more points"),
        ({"instrument": "GBP_USD"}, "this account trades EUR_USD"),
        ({"client_order_id": "waiting"}, "waiting already"),
    ],
)
def test_an_order_that_can_not_be_is_refused(change, message):
    desk = Desk()
    order = Order(client_order_id="waiting", instrument="EUR_USD", units=1)
    desk.engine.submit(order)
    with pytest.raises(BadInputError, match=message):
        desk.engine.submit(replace(replace(order, client_order_id="other"), **change))


def test_prices_below_a_point_are_refused():
    desk = Desk()
    with pytest.raises(BadInputError, match="1 point or more"):
        desk.engine.on_quote(Quote(instrument="EUR_USD", time_ns=NOON, bid=0, ask=10))


def test_an_engine_needs_instruments_their_costs_and_whole_money():
    book = Desk().engine
    assert book.account().positions == ()
    record = instrument("EUR_USD")
    empty = CostBook(broker="made up", valid_from=date(2026, 1, 1))
    with pytest.raises(BadInputError, match="one or more different instruments"):
        MatchingEngine(instruments=[], cost_book=empty, currency="USD", balance=0)
    with pytest.raises(BadInputError, match="no costs for EUR_USD"):
        MatchingEngine(instruments=[record], cost_book=empty, currency="USD", balance=0)
    with pytest.raises(BadInputError, match="whole micro-units"):
        MatchingEngine(instruments=[record], cost_book=empty, currency="USD", balance=1.5)


def test_ids_of_thousands_of_orders_stay_their_own():
    desk = Desk()
    for turn in range(5_000):
        name = desk.order(1_000 if turn % 2 == 0 else -1_000)
        (fill,) = desk.quote("1.10000")
        assert fill.client_order_id == name
