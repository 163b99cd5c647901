"""Stops, trailing stops and targets of what is held: reached by a quote, or within a bar."""

from typing import Any

from workbench.engine.booking import close_holding, drop_trade
from workbench.engine.layout import (
    A_AMBIGUOUS,
    A_MODE,
    A_TRADES,
    B_ASK,
    B_BID,
    B_ORDER,
    B_STOP,
    B_STOP_ORDER,
    B_TARGET,
    B_TARGET_ORDER,
    B_TRAIL,
    B_TRAIL_BEST,
    B_TRAIL_ORDER,
    B_UNITS,
    MODE_NETTING,
    REASON_STOP_LOSS,
    REASON_TAKE_PROFIT,
    REASON_TRAILING_STOP,
    T_BOOK,
    Int,
    Ints,
)
from workbench.indicators.compiled import borrowing, borrowing_inline, stays_apart

__all__ = ["at_exit", "change_exits", "entry_exits", "quote_exits", "range_exits", "set_exits"]


@borrowing_inline
def at_exit(books: Ints, k: int, bid: int, ask: int) -> Any:
    """Whether a quote has reached the stop or the target of a position (trailing ones aside)."""
    units, stop, target = books[k, B_UNITS], books[k, B_STOP], books[k, B_TARGET]
    long = units > 0 and ((stop != 0 and bid <= stop) or (target != 0 and bid >= target))
    short = units < 0 and ((stop != 0 and ask >= stop) or (target != 0 and ask <= target))
    return long or short


@borrowing
def quote_exits(account: Ints, books: Ints, trades: Ints, k: int, time_ns: int, fills: Ints) -> None:
    """Close what the present quote of `k` has taken to an exit; let the trailing stops of the rest follow."""
    stays_apart()
    if account[A_MODE] == MODE_NETTING:
        if books[k, B_UNITS] != 0:
            _quote_exit(account, books, books, k, k, time_ns, fills)
        return
    row = 0
    while row < account[A_TRADES]:
        if trades[row, T_BOOK] == k:
            _quote_exit(account, books, trades, row, k, time_ns, fills)
        if trades[row, B_UNITS] == 0:
            drop_trade(account, trades, row)
        else:
            row += 1


@borrowing
def _quote_exit(
    account: Ints, books: Ints, rows: Ints, holding: int, k: int, time_ns: int, fills: Ints
) -> None:
    stays_apart()
    sign = 1 if rows[holding, B_UNITS] > 0 else -1  # with it a stop lies below and a target above
    price = books[k, B_BID] if sign > 0 else books[k, B_ASK]
    stop, target, trail = rows[holding, B_STOP], rows[holding, B_TARGET], rows[holding, B_TRAIL]
    if stop != 0 and sign * price <= sign * stop:
        order = rows[holding, B_STOP_ORDER]
        close_holding(account, books, rows, holding, k, order, time_ns, 0, 0, REASON_STOP_LOSS, fills)
    elif trail != 0 and sign * price <= sign * rows[holding, B_TRAIL_BEST] - trail:
        order = rows[holding, B_TRAIL_ORDER]
        close_holding(account, books, rows, holding, k, order, time_ns, 0, 0, REASON_TRAILING_STOP, fills)
    elif target != 0 and sign * price >= sign * target:
        order = rows[holding, B_TARGET_ORDER]
        close_holding(account, books, rows, holding, k, order, time_ns, 0, target, REASON_TAKE_PROFIT, fills)
    if trail != 0 and sign * price > sign * rows[holding, B_TRAIL_BEST]:
        rows[holding, B_TRAIL_BEST] = price


@borrowing
def range_exits(
    account: Ints,
    books: Ints,
    trades: Ints,
    k: int,
    time_ns: int,
    bid_open: int,
    bid_high: int,
    bid_low: int,
    bid_close: int,
    ask_open: int,
    ask_high: int,
    ask_low: int,
    ask_close: int,
    fills: Ints,
) -> None:
    """Close what was held before a bar's range by the exits that the range has reached."""
    stays_apart()
    netting = account[A_MODE] == MODE_NETTING
    rows = books if netting else trades
    row = k if netting else 0
    last = k + 1 if netting else account[A_TRADES]
    while row < last:
        units = rows[row, B_UNITS]
        if units > 0 and (netting or rows[row, T_BOOK] == k):
            _range_exit(account, books, rows, row, k, time_ns, bid_open, bid_low, bid_high, bid_close, fills)
        elif units < 0 and (netting or rows[row, T_BOOK] == k):
            _range_exit(account, books, rows, row, k, time_ns, ask_open, ask_high, ask_low, ask_close, fills)
        if not netting and rows[row, B_UNITS] == 0:
            drop_trade(account, trades, row)
            last -= 1
        else:
            row += 1


@borrowing
def _range_exit(
    account: Ints,
    books: Ints,
    rows: Ints,
    holding: int,
    k: int,
    time_ns: int,
    first: int,
    worst: int,
    best: int,
    close: int,
    fills: Ints,
) -> None:
    """Prices are those of the closing side: at the open, the least and the most welcome, at the close."""
    stays_apart()
    sign = 1 if rows[holding, B_UNITS] > 0 else -1
    target, trail = rows[holding, B_TARGET], rows[holding, B_TRAIL]
    stop, order, reason = _nearer_stop(rows, holding, sign)
    stop_at_open = stop != 0 and sign * first <= sign * stop
    target_at_open = target != 0 and sign * first >= sign * target
    stopped = stop != 0 and sign * worst <= sign * stop
    reached = target != 0 and sign * best >= sign * target
    if stop_at_open:
        if rows[holding, B_STOP] != 0 and sign * first <= sign * rows[holding, B_STOP]:
            order, reason = rows[holding, B_STOP_ORDER], REASON_STOP_LOSS
        close_holding(account, books, rows, holding, k, order, time_ns, first, 0, reason, fills)
    elif target_at_open:
        order = rows[holding, B_TARGET_ORDER]
        reason = REASON_TAKE_PROFIT
        close_holding(account, books, rows, holding, k, order, time_ns, first, target, reason, fills)
    elif stopped:
        if reached:
            account[A_AMBIGUOUS] += 1
        close_holding(account, books, rows, holding, k, order, time_ns, stop, 0, reason, fills)
    elif reached:
        order = rows[holding, B_TARGET_ORDER]
        reason = REASON_TAKE_PROFIT
        close_holding(account, books, rows, holding, k, order, time_ns, target, target, reason, fills)
    elif trail != 0:
        if sign * best > sign * rows[holding, B_TRAIL_BEST]:
            rows[holding, B_TRAIL_BEST] = best
        stop = rows[holding, B_TRAIL_BEST] - sign * trail
        if sign * close <= sign * stop:
            order = rows[holding, B_TRAIL_ORDER]
            reason = REASON_TRAILING_STOP
            close_holding(account, books, rows, holding, k, order, time_ns, stop, 0, reason, fills)


@borrowing
def _nearer_stop(rows: Ints, holding: int, sign: int) -> Any:
    """Level, order and reason of the stop or the trailing stop, whichever the price meets first."""
    stop, trail = rows[holding, B_STOP], rows[holding, B_TRAIL]
    if trail != 0:
        level = rows[holding, B_TRAIL_BEST] - sign * trail
        if level > 0 and (stop == 0 or sign * level > sign * stop):
            return level, rows[holding, B_TRAIL_ORDER], REASON_TRAILING_STOP
    return stop, rows[holding, B_STOP_ORDER], REASON_STOP_LOSS


@borrowing
def set_exits(
    rows: Ints,
    holding: int,
    order: int,
    price: int,
    closing: int,
    stop_distance: int,
    target_distance: int,
    trail: int,
    stop_price: int,
    target_price: int,
) -> None:
    """Give a holding the exits of the order that has just opened or added to it at `price`.

    Distances count from the price, the trailing one from `closing`, the price of the closing side.
    """
    sign = 1 if rows[holding, B_UNITS] > 0 else -1
    if stop_price != 0 or stop_distance > 0:
        level = stop_price if stop_price != 0 else price - sign * stop_distance
        rows[holding, B_STOP] = max(0, level)
        rows[holding, B_STOP_ORDER] = order
    if target_price != 0 or target_distance > 0:
        level = target_price if target_price != 0 else price + sign * target_distance
        rows[holding, B_TARGET] = max(0, level)
        rows[holding, B_TARGET_ORDER] = order
    if trail > 0:
        rows[holding, B_TRAIL] = trail
        rows[holding, B_TRAIL_BEST] = closing
        rows[holding, B_TRAIL_ORDER] = order


@borrowing
def entry_exits(
    account: Ints,
    books: Ints,
    rows: Ints,
    holding: int,
    k: int,
    time_ns: int,
    has_stop: int,
    has_target: int,
    has_trail: int,
    by_stop: int,
    worst: int,
    best: int,
    close: int,
    fills: Ints,
) -> None:
    """Test the exits that an order filled within a bar has brought against the same bar, pessimistically.

    `by_stop` says that the entry was a stop; prices are those of the closing side.
    """
    stays_apart()
    sign = 1 if rows[holding, B_UNITS] > 0 else -1
    stop, target, trail = rows[holding, B_STOP], rows[holding, B_TARGET], rows[holding, B_TRAIL]
    order, reason = rows[holding, B_STOP_ORDER], REASON_STOP_LOSS
    if has_stop == 0:
        stop = 0
    if has_trail != 0:
        level = rows[holding, B_TRAIL_BEST] - sign * trail
        if level > 0 and (stop == 0 or sign * level > sign * stop):
            stop, order, reason = level, rows[holding, B_TRAIL_ORDER], REASON_TRAILING_STOP
    if stop != 0 and sign * worst <= sign * stop:
        account[A_AMBIGUOUS] += by_stop
        close_holding(account, books, rows, holding, k, order, time_ns, stop, 0, reason, fills)
        return
    if has_target != 0 and target != 0:
        certain = best if by_stop != 0 else close
        if sign * certain >= sign * target or sign * close >= sign * target:
            order = rows[holding, B_TARGET_ORDER]
            reason = REASON_TAKE_PROFIT
            close_holding(account, books, rows, holding, k, order, time_ns, target, target, reason, fills)
            return
    if has_trail != 0 and sign * close > sign * rows[holding, B_TRAIL_BEST]:
        rows[holding, B_TRAIL_BEST] = close


@borrowing
def change_exits(
    account: Ints, books: Ints, trades: Ints, k: int, trade: int, stop: int, target: int, trail: int
) -> Int:
    """Set (0 removes, -1 leaves) the exits of a position or of the trade that an order opened.

    Returns 1, or 0 when nothing of the kind is held.
    """
    netting = account[A_MODE] == MODE_NETTING
    rows = books if netting else trades
    holding = k
    if not netting:
        holding = 0
        while holding < account[A_TRADES] and (rows[holding, B_ORDER] != trade or rows[holding, T_BOOK] != k):
            holding += 1
        if holding == account[A_TRADES]:
            return 0
    elif rows[holding, B_UNITS] == 0:
        return 0
    order = rows[holding, B_ORDER]
    if stop >= 0:
        rows[holding, B_STOP] = stop
        rows[holding, B_STOP_ORDER] = order
    if target >= 0:
        rows[holding, B_TARGET] = target
        rows[holding, B_TARGET_ORDER] = order
    if trail >= 0:
        rows[holding, B_TRAIL] = trail
        rows[holding, B_TRAIL_BEST] = books[k, B_BID] if rows[holding, B_UNITS] > 0 else books[k, B_ASK]
        rows[holding, B_TRAIL_ORDER] = order
    return 1
