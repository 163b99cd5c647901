"""The compiled functions driven as their module says."""

from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.accounts import MINUTE, NOON, free_of_cost
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.orders import Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import FILL_REASONS, MatchingEngine, account_books, account_tables, core
from workbench.indicators import compiled


@compiled
def run(times, prices, wishes, account, books, roll_ns, roll_days, costs):
    """Every bar: its quote, its range, then the wish for units as an order with stop and target."""
    pending = np.zeros((1, core.PENDING_SIZE), np.int64)
    fills = np.zeros((1, core.FILL_SIZE), np.int64)
    canceled = np.zeros((1, core.CANCELED_SIZE), np.int64)
    trades = np.zeros((1, core.TRADE_SIZE), np.int64)
    equity = np.empty(len(times), np.int64)
    for i in range(len(times)):
        first, high, low, last, spread = prices[i]
        fills = core.ensure_room(account, pending, books, fills)
        core.core_quote(
            account,
            books,
            0,
            times[i],
            first,
            first + spread,
            pending,
            trades,
            fills,
            canceled,
            roll_ns,
            roll_days,
            costs,
        )
        core.core_range(
            account,
            books,
            0,
            times[i],
            times[i] + 60 * MINUTE,
            first,
            high,
            low,
            last,
            first + spread,
            high + spread,
            low + spread,
            last + spread,
            pending,
            trades,
            fills,
            canceled,
            roll_ns,
            roll_days,
            costs,
        )
        equity[i] = core.core_equity(account, books, trades)
        if wishes[i] != 0:
            pending = core.pending_room(account, pending)
            canceled = core.pending_room(account, canceled)
            core.core_submit(account, pending, i, 0, wishes[i], 0, 30, 50)
    return fills[: account[core.A_FILLS]], canceled[: account[core.A_CANCELED]], equity


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_compiled_loop_and_the_python_face_give_the_same(seed):
    rng = np.random.default_rng(seed)
    count = 300
    record = instrument("EUR_USD")
    costs = free_of_cost(commission_ppm=20, financing_long_ppm=-25_000, slippage_points=1)
    book = CostBook(broker="made up", valid_from=date(2026, 1, 1), costs={record.id: costs})
    times = NOON + 60 * MINUTE * np.arange(count)
    path = 110_000 + np.cumsum(rng.integers(-20, 21, (count, 4)).ravel()).reshape(count, 4)
    prices = np.column_stack(
        [path[:, 0], path.max(axis=1), path.min(axis=1), path[:, 3], rng.integers(0, 9, count)]
    )
    wishes = np.where(rng.random(count) < 0.3, rng.integers(-90_000, 90_001, count), 0)
    tables = account_tables([record], cost_book=book, after_ns=NOON, until_ns=int(times[-1]) + 60 * MINUTE)
    account = core.new_account(2_000 * 10**6)
    books = account_books([record], cost_book=book, currency="USD")
    fills, canceled, equity = run(times, prices, wishes, account, books, *tables)

    engine = MatchingEngine(instruments=[record], cost_book=book, currency="USD", balance=2_000 * 10**6)
    found, expected_equity = [], []
    for i in range(count):
        first, high, low, last, spread = (int(item) for item in prices[i])
        begin, end = int(times[i]), int(times[i]) + 60 * MINUTE
        found += engine.on_quote(Quote(instrument=record.id, time_ns=begin, bid=first, ask=first + spread))
        found += engine.on_bar(
            Bar(
                instrument=record.id,
                open_ns=begin,
                close_ns=end,
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
        expected_equity.append(engine.account().equity)
        if wishes[i]:
            engine.submit(
                Order(
                    client_order_id=str(i),
                    instrument=record.id,
                    units=int(wishes[i]),
                    stop_distance=30,
                    target_distance=50,
                )
            )
    columns = (core.F_TIME, core.F_UNITS, core.F_PRICE, core.F_COMMISSION, core.F_REALIZED, core.F_BALANCE)
    assert [
        (str(row[core.F_ORDER]), FILL_REASONS[row[core.F_REASON]], *row[list(columns)].tolist())
        for row in fills
    ] == [
        (
            item.client_order_id,
            item.reason,
            item.time_ns,
            item.units,
            item.price,
            item.commission,
            item.realized,
            item.balance,
        )
        for item in found
    ]
    assert equity.tolist() == expected_equity
    assert [str(row[core.C_ORDER]) for row in canceled] == [name for name, _ in engine.take_canceled()]
    assert account[core.A_FINANCING] == engine.account().financing
    assert account[core.A_AMBIGUOUS] == engine.ambiguous_bars


@settings(deadline=None)
@given(
    amount=st.integers(0, 10**18),
    factor=st.integers(0, 10**7),
    denominator=st.integers(1, 730_000_000),
)
def test_scaling_rounds_half_to_even_without_overflow(amount, factor, denominator):
    exact = round(Fraction(amount * factor, denominator))
    if exact < 2**62:
        assert core.scale_half_even(amount, factor, denominator) == exact


@pytest.mark.parametrize(
    ("numerator", "denominator", "result"),
    [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (4, 3, 1), (5, 3, 2), (-5, 3, -2), (0, 9, 0)],
)
def test_division_rounds_half_to_even(numerator, denominator, result):
    assert core.divide_half_even(numerator, denominator) == result
