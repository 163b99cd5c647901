"""The compiled backtest: engine and decisions bar by bar, without Python between them.

It is the replay (`workbench.research.replay`) with one shortcut: a bar on which the engine provably does
nothing (no order waits, no stop, target or rollover lies in it, margin is far away) is only valued. The
tests hold both to the same bits.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.engine.core import (
    A_BALANCE,
    A_CANCELED,
    A_FILLS,
    A_FINANCING,
    A_PENDING,
    A_ROLLED,
    B_ASK,
    B_BID,
    B_COST,
    B_MARGIN_PPM,
    B_MICRO_PER_POINT,
    B_STOP,
    B_TARGET,
    B_UNITS,
    CANCELED_SIZE,
    FILL_SIZE,
    PENDING_SIZE,
    core_equity,
    core_quote,
    core_range,
    core_submit,
    ensure_room,
    pending_room,
)
from workbench.indicators.compiled import compiled
from workbench.strategy.decision import decide

__all__ = ["run_loop"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_ORDERS_PER_EVENT = 1_024  # as in `workbench.research.outcome`
_NEVER = np.iinfo(np.int64).max
_FAR = np.int64(1) << 62


@compiled
def run_loop(
    open_ns: Ints,
    close_ns: Ints,
    bid_open: Ints,
    bid_high: Ints,
    bid_low: Ints,
    bid_close: Ints,
    ask_open: Ints,
    ask_high: Ints,
    ask_low: Ints,
    ask_close: Ints,
    enter_long: Flags,
    enter_short: Flags,
    exit_long: Flags,
    exit_short: Flags,
    stop: Floats,
    target: Floats,
    has_stop: bool,
    has_target: bool,
    size_kind: int,
    size_value: float,
    unit_step: int,
    minimum_units: int,
    account: Ints,
    books: Ints,
    roll_ns: Ints,
    roll_days: Ints,
    equity: Ints,
) -> Any:
    """Trade the signals of one instrument; returns fills, their bars, cancellations and financing.

    Columns and signals are those of the traded bars alone. `equity` receives the value at each close;
    `account` and `books` are left as they stand at the end. `stop` and `target` may be empty when not
    declared.
    """
    n = open_ns.shape[0]
    pending = np.zeros((8, PENDING_SIZE), np.int64)
    fills = np.zeros((256, FILL_SIZE), np.int64)
    fill_bar = np.zeros(256, np.int64)
    canceled = np.zeros((16, CANCELED_SIZE), np.int64)
    financing_before = np.zeros(64, np.int64)
    financing_amount = np.zeros(64, np.int64)
    bookings = 0
    micro = books[0, B_MICRO_PER_POINT]
    # the state between two bars on which the engine works
    units: int = books[0, B_UNITS]
    cost, balance = books[0, B_COST], account[A_BALANCE]
    least, most = np.int64(0), _FAR  # closing side: reaching these is a stop or a target
    mid_least, mid_most = np.int64(0), _FAR  # bid + ask: beyond these margin needs the exact check
    next_roll = _NEVER
    waiting = False
    for i in range(n):
        quiet = not waiting
        if quiet and units != 0:
            if units > 0:
                low, high = min(bid_low[i], bid_open[i]), max(bid_high[i], bid_open[i])
            else:
                low, high = min(ask_low[i], ask_open[i]), max(ask_high[i], ask_open[i])
            opened, closed = bid_open[i] + ask_open[i], bid_close[i] + ask_close[i]
            quiet = (
                low > least
                and high < most
                and min(opened, closed) > mid_least
                and max(opened, closed) < mid_most
                and next_roll >= close_ns[i]
            )
        if quiet:
            value = balance
            if units > 0:
                value += units * bid_close[i] * micro - cost
            elif units < 0:
                value += units * ask_close[i] * micro - cost
        else:
            if i > 0:
                books[0, B_BID] = bid_close[i - 1]
                books[0, B_ASK] = ask_close[i - 1]
            before = account[A_FILLS]
            for part in range(2):
                booked, count = account[A_FINANCING], account[A_FILLS]
                fills = ensure_room(account, pending, books, fills)
                if part == 0:
                    core_quote(
                        account,
                        books,
                        0,
                        open_ns[i],
                        bid_open[i],
                        ask_open[i],
                        pending,
                        fills,
                        canceled,
                        roll_ns,
                        roll_days,
                    )
                else:
                    core_range(
                        account,
                        books,
                        0,
                        close_ns[i],
                        bid_open[i],
                        bid_high[i],
                        bid_low[i],
                        bid_close[i],
                        ask_open[i],
                        ask_high[i],
                        ask_low[i],
                        ask_close[i],
                        fills,
                        roll_ns,
                        roll_days,
                    )
                amount = account[A_FINANCING] - booked
                if amount != 0:
                    if bookings == financing_amount.shape[0]:
                        financing_before = _doubled(financing_before)
                        financing_amount = _doubled(financing_amount)
                    financing_before[bookings] = count
                    financing_amount[bookings] = amount
                    bookings += 1
            if fill_bar.shape[0] < fills.shape[0]:
                grown = np.zeros(fills.shape[0], np.int64)
                grown[: fill_bar.shape[0]] = fill_bar
                fill_bar = grown
            fill_bar[before : account[A_FILLS]] = i
            value = core_equity(account, books)
            balance = account[A_BALANCE]
            units, cost = books[0, B_UNITS], books[0, B_COST]
            least, most = _levels(books)
            mid_least, mid_most = _margin_levels(balance, books)
            rolled = account[A_ROLLED]
            next_roll = roll_ns[rolled] if rolled < roll_ns.shape[0] else _NEVER
            waiting = account[A_PENDING] > 0
        equity[i] = value
        if enter_long[i] or enter_short[i] or exit_long[i] or exit_short[i]:
            close, opening, stop_distance, target_distance = decide(
                enter_long[i],
                enter_short[i],
                exit_long[i],
                exit_short[i],
                stop[i] if has_stop else np.nan,
                target[i] if has_target else np.nan,
                has_stop,
                has_target,
                size_kind,
                size_value,
                units,
                value,
                micro,
                unit_step,
                minimum_units,
            )
            key = (2 * i + 2) * _ORDERS_PER_EVENT
            if close:
                canceled = pending_room(account, canceled)
                core_submit(account, pending, key, 0, -units, 1, 0, 0)
                key += 1
                waiting = True
            if opening != 0:
                canceled = pending_room(account, canceled)
                core_submit(account, pending, key, 0, opening, 0, stop_distance, target_distance)
                waiting = True
    if n > 0:
        books[0, B_BID] = bid_close[n - 1]
        books[0, B_ASK] = ask_close[n - 1]
    done, dropped = account[A_FILLS], account[A_CANCELED]
    return (
        fills[:done],
        fill_bar[:done],
        canceled[:dropped],
        financing_before[:bookings],
        financing_amount[:bookings],
    )


@compiled
def _levels(books: Ints) -> Any:
    """Prices of the closing side at or beyond which the engine must look: (from below, from above)."""
    stop, target = books[0, B_STOP], books[0, B_TARGET]
    least, most = np.int64(0), _FAR
    if books[0, B_UNITS] > 0:
        if stop != 0:
            least = stop
        if target != 0:
            most = target
    else:
        if target != 0:
            least = target
        if stop != 0:
            most = stop
    return least, most


@compiled
def _margin_levels(balance: int, books: Ints) -> Any:
    """Sums of bid and ask between which equity at mid is well above half the margin used."""
    units, micro = books[0, B_UNITS], books[0, B_MICRO_PER_POINT]
    least, most = np.int64(0), _FAR
    if units == 0:
        return least, most
    worth = 2.0 * (float(balance) - float(books[0, B_COST]))  # doubled equity if the price were 0
    share = books[0, B_MARGIN_PPM] * 0.5e-6
    slack = 1.0e-6 * (abs(worth) + 1.0e9)  # far more than rounding of either kind
    if units > 0:
        slope = float(units) * micro * (1.0 - share)
        level = (slack - worth) / slope
        least = np.int64(min(max(level, -4.0e18), 4.0e18)) + 2
    else:
        slope = float(-units) * micro * (1.0 + share)
        level = (worth - slack) / slope
        most = np.int64(min(max(level, -4.0e18), 4.0e18)) - 2
    return least, most


@compiled
def _doubled(values: Ints) -> Ints:
    grown = np.zeros(2 * values.shape[0], np.int64)
    grown[: values.shape[0]] = values
    return grown
