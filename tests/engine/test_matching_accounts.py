"""Hedging, FIFO, margin, conversion, dated costs, and what no rule may break."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.accounts import MINUTE, Desk, at, free_of_cost
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.domain.orders import ExitChange, FillReason, Order
from workbench.domain.quotes import Quote
from workbench.engine import MatchingEngine, MissingConversionError
from workbench.errors import BadInputError


def held(desk):
    return [(item.client_order_id, item.units) for item in desk.engine.account().trades]


def test_a_hedging_account_holds_both_sides_with_their_own_exits():
    desk = Desk(mode="HEDGING")
    long = desk.place(100, stop_distance=50)
    short = desk.place(-60, target_distance=30)
    fills = desk.points(1_000)
    assert [(item.trade, item.position) for item in fills] == [(long, 100), (short, 40)]
    assert held(desk) == [(long, 100), (short, -60)]
    (fill,) = desk.points(960, 970)
    assert (fill.client_order_id, fill.reason, fill.trade) == (short, FillReason.TAKE_PROFIT, short)
    assert desk.engine.change_exits(ExitChange(instrument="EUR_USD", trade=long, stop=955))
    (fill,) = desk.points(955)
    assert (fill.reason, fill.position) == (FillReason.STOP_LOSS, 0)


def test_a_trade_can_be_closed_by_name_or_the_oldest_first():
    desk = Desk(mode="HEDGING")
    names = [desk.place(100), desk.place(50), desk.place(70)]
    desk.points(1_000)
    desk.place(-500, closes=names[1])
    desk.place(-120, position_fill="REDUCE_FIRST")
    fills = desk.points(1_010)
    assert [(item.trade, item.units) for item in fills] == [
        (names[1], -50),
        (names[0], -100),
        (names[2], -20),
    ]
    assert held(desk) == [(names[2], 50)]
    gone, again = desk.place(-10, closes=names[0]), desk.place(10, closes=names[2])
    desk.points(1_010)
    assert desk.engine.take_canceled() == [(gone, "no such trade"), (again, "nothing to close")]


def test_a_fifo_account_closes_the_oldest_and_then_opens():
    desk = Desk(mode="FIFO")
    names = [desk.place(100), desk.place(50), desk.place(50)]
    desk.points(1_000)
    wrong, right = desk.place(-50, closes=names[2]), desk.place(-50, closes=names[1])
    assert [item.trade for item in desk.points(1_000)] == [names[1]]
    assert desk.engine.take_canceled() == [(wrong, "FIFO violation")]
    del right
    last = desk.place(-200)
    assert [(item.trade, item.units) for item in desk.points(1_000)] == [
        (names[0], -100),
        (names[2], -50),
        (last, -50),
    ]
    refused = desk.place(10, position_fill="OPEN_ONLY")
    desk.points(1_000)
    assert desk.engine.take_canceled() == [(refused, "would reduce")]


@pytest.mark.parametrize(
    ("hedged_margin", "margin"), [("ABSOLUTE_SUM", 1_600), ("MAXIMAL_SIDE", 1_000), ("NET_SUM", 400)]
)
def test_hedged_units_need_margin_as_the_account_says(hedged_margin, margin):
    desk = Desk(mode="HEDGING", hedged_margin=hedged_margin, costs=free_of_cost(margin_rate_ppm=10_000))
    desk.place(100_000)
    desk.place(-60_000)
    desk.quote("1.00000")
    assert to_decimal(desk.engine.account().margin_used) == margin


def test_the_largest_loss_is_closed_first_until_the_account_has_recovered():
    desk = Desk("EUR_USD", "GBP_USD", balance="1000", close_out="LARGEST_LOSS_FIRST")
    desk.order(20_000)
    desk.order(20_000, k=1)
    desk.quote("1.00000")
    desk.quote("1.00000", k=1)
    assert desk.engine.account().margin_calls == 0
    desk.quote("0.99000", k=1)
    fills = desk.quote("0.97000")  # 200 left, half the margin is 392, and 198 without EUR/USD
    assert [(item.instrument, item.reason) for item in fills] == [("EUR_USD", FillReason.MARGIN_CLOSEOUT)]
    account = desk.engine.account()
    assert account.margin_calls == 1
    assert account.units("GBP_USD") == 20_000


def test_a_margin_call_is_counted_once_each_time_it_begins():
    desk = Desk(balance="2050")
    desk.order(100_000)
    for price in ("1.00000", "0.99940", "0.99930", "0.99900", "1.00000", "0.99900"):
        desk.quote(price)
    assert desk.engine.account().margin_calls == 2


def test_profit_goes_through_the_dollar_on_the_adverse_side_with_the_mark_up():
    costs = free_of_cost(conversion_markup_ppm=5_000)
    desk = Desk("EUR_JPY", "USD_JPY", "GBP_USD", currency="GBP", costs=costs)
    desk.quote("150.000", "150.010", k=1)
    desk.quote("1.25000", "1.25010", k=2)
    desk.order(1_000)
    desk.quote("160.000")
    desk.order(-1_000)
    (fill,) = desk.quote("161.000")
    exact = Decimal(1_000) / Decimal("150.010") / Decimal("1.25010") * Decimal("0.995")
    assert to_decimal(fill.realized) == round(exact, 6)
    desk.order(1_000)
    desk.quote("161.000")
    desk.order(-1_000)
    (fill,) = desk.quote("160.000")
    exact = -Decimal(1_000) / Decimal("150.000") / Decimal("1.25000") * Decimal("1.005")
    assert to_decimal(fill.realized) == round(exact, 6)


def test_a_missing_conversion_quote_is_an_error_and_never_one():
    desk = Desk("EUR_JPY", "USD_JPY", currency="USD")
    desk.order(1_000)
    with pytest.raises(MissingConversionError, match="converts JPY"):
        desk.quote("160.000")


def test_costs_change_at_17_new_york_when_their_book_begins():
    record = instrument("EUR_USD")
    books = [
        CostBook(
            broker="made up",
            valid_from=day,
            costs={record.id: free_of_cost(commission_ppm=ppm, financing_long_ppm=-36_500 * times)},
        )
        for day, ppm, times in ((date(2026, 1, 1), 10, 1), (date(2026, 3, 4), 20, 2))
    ]
    engine = MatchingEngine(instruments=[record], cost_book=books, currency="USD", balance=10**11)
    paid = []
    for number, moment in enumerate(("03-03 12:00", "03-03 21:59", "03-03 22:00", "03-04 22:00")):
        engine.submit(Order(client_order_id=f"o-{number}", instrument=record.id, units=100_000))
        quote = Quote(instrument=record.id, time_ns=at(f"2026-{moment}"), bid=100_000, ask=100_000)
        paid += [item.commission for item in engine.on_quote(quote)]
    assert [to_decimal(item) for item in paid] == [1, 1, 2, 2]
    # two lots on Tuesday at the old rate, three for three days on Wednesday at the new one
    assert to_decimal(engine.account().financing) == -10 * 2 - 20 * 3 * 3
    with pytest.raises(BadInputError, match="when the first cost book begins"):
        MatchingEngine(instruments=[record], cost_book=books, currency="USD", balance=10**11).on_quote(
            replace(quote, time_ns=at("2025-06-02 12:00"))
        )


orders = st.lists(
    st.tuples(
        st.sampled_from(["MARKET", "LIMIT", "STOP", "MARKET_IF_TOUCHED"]),
        st.integers(-500, 500).filter(bool),
        st.integers(-30, 30),
        st.sampled_from([0, 0, 5, 40]),
        st.sampled_from([0, 0, 5, 40]),
        st.integers(0, 1),
        st.integers(-12, 12),
    ),
    min_size=1,
    max_size=25,
)


def played(steps, *, names=("EUR_USD", "GBP_USD"), mode="NETTING", factor=1, each=None, **costs):
    """Fills and the final account of orders and quotes made from `steps`."""
    desk = Desk(*names, mode=mode, currency="USD", balance="1000000", costs=free_of_cost(**costs))
    prices, fills = {"EUR_USD": 1_000, "GBP_USD": 1_200}, []
    for kind, units, off, stop, trail, which, move in steps:
        name = ("EUR_USD", "GBP_USD")[which]
        k = list(names).index(name)
        level = {} if kind == "MARKET" else {"kind": kind, "price": prices[name] + off}
        desk.place(factor * units, k=k, stop_distance=stop, trailing_distance=trail, **level)
        prices[name] += move
        desk.time_ns += 200 * MINUTE
        fills += desk.points(prices[name], prices[name] + 2, k=k)
        if each is not None:
            each(desk)
    return fills, desk.engine.account()


@settings(max_examples=60, deadline=None)
@given(steps=orders, mode=st.sampled_from(["NETTING", "HEDGING", "FIFO"]))
def test_cash_and_positions_add_up_after_any_fills(steps, mode):
    fills, account = played(steps, mode=mode, commission_ppm=20, financing_long_ppm=-25_000)
    booked = sum(item.realized - item.commission for item in fills)
    assert account.balance == 10**12 + booked + account.financing
    for name in ("EUR_USD", "GBP_USD"):
        assert account.units(name) == sum(item.units for item in fills if item.instrument == name)
    assert account.equity == account.balance + sum(item.unrealized for item in account.positions)


@settings(max_examples=40, deadline=None)
@given(steps=orders, mode=st.sampled_from(["NETTING", "HEDGING", "FIFO"]))
def test_the_order_in_which_instruments_are_named_changes_nothing(steps, mode):
    costs = {"commission_ppm": 20, "financing_long_ppm": -25_000}
    assert played(steps, mode=mode, **costs) == played(
        steps, mode=mode, names=("GBP_USD", "EUR_USD"), **costs
    )


@settings(max_examples=40, deadline=None)
@given(steps=orders)
def test_twice_the_units_make_twice_the_profit_of_every_order_kind(steps):
    one, two = (played(steps, factor=factor)[1] for factor in (1, 2))
    assert two.equity - 10**12 == 2 * (one.equity - 10**12)


@settings(max_examples=40, deadline=None)
@given(steps=orders, mode=st.sampled_from(["NETTING", "HEDGING", "FIFO"]))
def test_a_snapshot_and_a_restore_at_any_moment_change_nothing(steps, mode):
    def reborn(desk):
        other = Desk("EUR_USD", "GBP_USD", mode=mode, balance="1000000", costs=desk.costs)
        other.engine.restore(desk.engine.snapshot())
        assert other.engine.snapshot() == desk.engine.snapshot()
        desk.engine = other.engine

    costs = {"commission_ppm": 20, "financing_long_ppm": -25_000}
    assert played(steps, mode=mode, each=reborn, **costs) == played(steps, mode=mode, **costs)
