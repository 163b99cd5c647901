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
    A_CALLED,
    A_CANCELED,
    A_CLOSEOUT_PPM,
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
    PENDING_SIZE,
    TRADE_SIZE,
    core_equity,
    core_quote,
    core_range,
    core_submit,
    ensure_room,
    pending_room,
)
from workbench.indicators.compiled import compiled
from workbench.strategy.decision import decide

__all__ = ["BLOCK", "any_signal", "block_extremes", "run_loop"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_ORDERS_PER_EVENT = 1_024  # as in `workbench.research.outcome`
BLOCK = 32  # bars looked at together
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
    costs: Ints,
    speaks: Flags,
    fills: Ints,
    fill_bar: Ints,
    equity: Ints,
) -> Any:
    """Trade the signals of one instrument; returns fills, their bars, cancellations and financing.

    Columns and signals are those of the traded bars alone; `speaks` is `any_signal` of them. `fills` and
    `fill_bar` are buffers to write to, left for larger ones when they are full; `equity` receives the value
    at each close. `account` and `books` are left as they stand at the end. `stop` and `target` are not read
    when not declared.
    """
    n = open_ns.shape[0]
    pending = np.zeros((8, PENDING_SIZE), np.int64)
    canceled = np.zeros((16, CANCELED_SIZE), np.int64)
    trades = np.zeros((1, TRADE_SIZE), np.int64)  # positions are netted
    financing_before = np.zeros(64, np.int64)
    financing_amount = np.zeros(64, np.int64)
    bookings = 0
    micro = books[0, B_MICRO_PER_POINT]
    lows, highs = block_extremes(bid_low, ask_high)
    words = speaks.view(np.int64)  # eight bars at a time
    roll_bar = _first_bars_after(roll_ns, close_ns)
    # the state between two bars on which the engine works
    units: int = books[0, B_UNITS]
    cost, balance = books[0, B_COST], account[A_BALANCE]
    least, most = np.int64(0), _FAR  # closing side: reaching these is a stop or a target
    mid_least, mid_most = np.int64(0), _FAR  # bid + ask: beyond these margin needs the exact check
    next_roll_bar = n
    waiting = False
    last = -1  # the next bar with a signal, or the very last
    i = 0
    while i < n:
        if not waiting:
            if last < i:
                last = i
                while last < n - 1 and not speaks[last]:
                    last += 1
                    if last % 8 == 0:
                        word = last // 8
                        while word < words.shape[0] and words[word] == 0:
                            word += 1
                        last = min(8 * word, n - 1)
            if units == 0:
                equity[i : last + 1] = balance
                i = last + 1
            else:
                until = min(last + 1, next_roll_bar)
                base, worth = balance - cost, units * micro
                while i < until:
                    block = i // BLOCK
                    end = min((block + 1) * BLOCK, until)
                    lowest, highest = lows[block], highs[block]
                    if (
                        lowest > least
                        and highest < most
                        and 2 * lowest > mid_least
                        and 2 * highest < mid_most
                    ):
                        if units > 0:
                            for k in range(i, end):
                                equity[k] = base + worth * bid_close[k]
                        else:
                            for k in range(i, end):
                                equity[k] = base + worth * ask_close[k]
                        i = end
                        continue
                    loud = False
                    while i < end:
                        if units > 0:
                            low, high, price = bid_low[i], bid_high[i], bid_close[i]
                        else:
                            low, high, price = ask_low[i], ask_high[i], ask_close[i]
                        opened, closed = bid_open[i] + ask_open[i], bid_close[i] + ask_close[i]
                        loud = (
                            low <= least
                            or high >= most
                            or min(opened, closed) <= mid_least
                            or max(opened, closed) >= mid_most
                        )
                        if loud:
                            break
                        equity[i] = base + worth * price
                        i += 1
                    if loud:
                        break
            quiet = i == last + 1
        else:
            quiet = False
        if not quiet:
            if i > 0:
                books[0, B_BID] = bid_close[i - 1]
                books[0, B_ASK] = ask_close[i - 1]
            before = account[A_FILLS]
            # all columns are read at once: each is a line of memory of its own
            opens, ends = open_ns[i], close_ns[i]
            bid_1, bid_2, bid_3, bid_4 = bid_open[i], bid_high[i], bid_low[i], bid_close[i]
            ask_1, ask_2, ask_3, ask_4 = ask_open[i], ask_high[i], ask_low[i], ask_close[i]
            for part in range(2):
                booked, count = account[A_FINANCING], account[A_FILLS]
                fills = ensure_room(account, pending, books, fills)
                if part == 0:
                    core_quote(
                        account,
                        books,
                        0,
                        opens,
                        bid_1,
                        ask_1,
                        pending,
                        trades,
                        fills,
                        canceled,
                        roll_ns,
                        roll_days,
                        costs,
                    )
                else:
                    core_range(
                        account,
                        books,
                        0,
                        opens,
                        ends,
                        bid_1,
                        bid_2,
                        bid_3,
                        bid_4,
                        ask_1,
                        ask_2,
                        ask_3,
                        ask_4,
                        pending,
                        trades,
                        fills,
                        canceled,
                        roll_ns,
                        roll_days,
                        costs,
                    )
                amount = account[A_FINANCING] - booked
                if amount != 0:
                    if bookings == financing_amount.shape[0]:
                        financing_before = _doubled(financing_before)
                        financing_amount = _doubled(financing_amount)
                    financing_before[bookings] = count
                    financing_amount[bookings] = amount
                    bookings += 1
            if fill_bar.shape[0] < account[A_FILLS]:
                grown = np.zeros(fills.shape[0], np.int64)
                grown[: fill_bar.shape[0]] = fill_bar
                fill_bar = grown
            for row in range(before, account[A_FILLS]):
                fill_bar[row] = i
            equity[i] = core_equity(account, books, trades)
            balance = account[A_BALANCE]
            units, cost = books[0, B_UNITS], books[0, B_COST]
            least, most = _levels(books)
            mid_least, mid_most = _margin_levels(account, books)
            rolled = account[A_ROLLED]
            next_roll_bar = roll_bar[rolled] if rolled < roll_bar.shape[0] else n
            waiting = account[A_PENDING] > 0
            i += 1
        at = i - 1  # the bar that has just closed
        if speaks[at]:
            close, opening, stop_distance, target_distance = decide(
                enter_long[at],
                enter_short[at],
                exit_long[at],
                exit_short[at],
                stop[at] if has_stop else np.nan,
                target[at] if has_target else np.nan,
                has_stop,
                has_target,
                size_kind,
                size_value,
                units,
                equity[at],
                micro,
                unit_step,
                minimum_units,
            )
            key = (2 * at + 2) * _ORDERS_PER_EVENT
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
def any_signal(enter_long: Flags, enter_short: Flags, exit_long: Flags, exit_short: Flags) -> Flags:
    """Where there is a signal of any kind; padded with none to a multiple of eight."""
    n = enter_long.shape[0]
    found = np.zeros((n + 7) // 8 * 8, np.bool_)
    for i in range(n):
        found[i] = enter_long[i] | enter_short[i] | exit_long[i] | exit_short[i]
    return found


@compiled
def _first_bars_after(roll_ns: Ints, close_ns: Ints) -> Ints:
    """For each rollover the first bar that closes after it; the number of bars when none does."""
    found = np.empty(roll_ns.shape[0], np.int64)
    at = 0
    for k in range(roll_ns.shape[0]):
        while at < close_ns.shape[0] and close_ns[at] <= roll_ns[k]:
            at += 1
        found[k] = at
    return found


@compiled
def block_extremes(low: Ints, high: Ints) -> Any:
    """Lowest `low` and highest `high` of each `BLOCK` bars."""
    count = (low.shape[0] + BLOCK - 1) // BLOCK
    lows, highs = np.empty(count, np.int64), np.empty(count, np.int64)
    for block in range(count):
        end = min((block + 1) * BLOCK, low.shape[0])
        least, most = low[block * BLOCK], high[block * BLOCK]
        for i in range(block * BLOCK + 1, end):
            least = min(least, low[i])
            most = max(most, high[i])
        lows[block] = least
        highs[block] = most
    return lows, highs


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
def _margin_levels(account: Ints, books: Ints) -> Any:
    """Sums of bid and ask between which equity at mid is well above the margin used; none during a call."""
    units, micro = books[0, B_UNITS], books[0, B_MICRO_PER_POINT]
    least, most = np.int64(0), _FAR
    if units == 0:
        return least, most
    if account[A_CALLED] != 0:
        return most, least
    worth = 2.0 * (float(account[A_BALANCE]) - float(books[0, B_COST]))  # doubled equity if the price were 0
    share = books[0, B_MARGIN_PPM] * 1e-6 * max(1.0, account[A_CLOSEOUT_PPM] * 1e-6)
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
