"""Waiting orders: taken, dropped, and met by a quote or by the range of a bar."""

from workbench.engine.booking import (
    cancel,
    drop_trade,
)
from workbench.engine.execution import (
    execute,
    trade_of,
)
from workbench.engine.exits import (
    entry_exits,
)
from workbench.engine.layout import (
    A_CANCELED,
    A_LATENCY,
    A_MODE,
    A_NEXT_EXPIRY,
    A_PENDING,
    A_TIME,
    B_BID,
    B_ORDER,
    B_UNITS,
    CANCELED_EXPIRED,
    CANCELED_INSUFFICIENT_LIQUIDITY,
    CANCELED_NOT_REPLACED,
    CANCELED_REST,
    FAR,
    FILL_DEFAULT,
    FILL_REDUCE_ONLY,
    KIND_MARKET,
    KIND_TOUCHED,
    MODE_NETTING,
    P_ACTIVE,
    P_BOOK,
    P_DUE,
    P_EXPIRES,
    P_FORCE,
    P_KIND,
    P_ORDER,
    P_PAID,
    P_POSITION_FILL,
    P_SIDE,
    P_STOP_DISTANCE,
    P_STOP_PRICE,
    P_TARGET_DISTANCE,
    P_TARGET_PRICE,
    P_TRAIL_DISTANCE,
    P_UNITS,
    PENDING_SIZE,
    SIDE_UNKNOWN,
    WAITS_FOK,
    WAITS_GTC,
    Int,
    Ints,
)
from workbench.engine.triggers import (
    as_limit,
    reached,
    side_of,
    triggered,
)
from workbench.indicators.compiled import borrowing, stays_apart

__all__ = [
    "core_cancel",
    "core_cancel_book",
    "core_expire",
    "core_place",
    "core_replace",
    "core_submit",
    "quote_orders",
    "range_orders",
]


@borrowing
def core_submit(
    account: Ints,
    pending: Ints,
    order: int,
    k: int,
    units: int,
    reduce_only: int,
    stop_distance: int,
    target_distance: int,
) -> None:
    """Add a market order that waits for the next quote of instrument `k`; see `pending_room`."""
    row = account[A_PENDING]
    for column in range(PENDING_SIZE):
        pending[row, column] = 0
    pending[row, P_ORDER] = order
    pending[row, P_BOOK] = k
    pending[row, P_UNITS] = units
    pending[row, P_POSITION_FILL] = FILL_REDUCE_ONLY if reduce_only != 0 else FILL_DEFAULT
    pending[row, P_STOP_DISTANCE] = stop_distance
    pending[row, P_TARGET_DISTANCE] = target_distance
    pending[row, P_ACTIVE] = account[A_TIME] + account[A_LATENCY]
    account[A_PENDING] = row + 1


@borrowing
def core_place(account: Ints, books: Ints, pending: Ints, order: Ints) -> None:
    """Add any order: `order` has the columns of a row of pending, P_ACTIVE, P_SIDE, P_DUE, P_PAID aside."""
    row = account[A_PENDING]
    for column in range(PENDING_SIZE):
        pending[row, column] = order[column]
    pending[row, P_ACTIVE] = account[A_TIME] + account[A_LATENCY]
    pending[row, P_SIDE] = SIDE_UNKNOWN
    pending[row, P_DUE] = 0
    pending[row, P_PAID] = 0
    if order[P_KIND] == KIND_TOUCHED and books[order[P_BOOK], B_BID] != 0:
        pending[row, P_SIDE] = side_of(books, pending[row])
    if order[P_EXPIRES] != 0:
        account[A_NEXT_EXPIRY] = min(account[A_NEXT_EXPIRY], order[P_EXPIRES])
    account[A_PENDING] = row + 1


@borrowing
def core_cancel(account: Ints, pending: Ints, order: int) -> Int:
    """Drop a waiting order; 1, or 0 when it does not wait."""
    for row in range(account[A_PENDING]):
        if pending[row, P_ORDER] == order:
            for item in range(row, account[A_PENDING] - 1):
                _keep(pending, item + 1, item)
            account[A_PENDING] -= 1
            return 1
    return 0


@borrowing
def core_replace(
    account: Ints, books: Ints, pending: Ints, canceled: Ints, replaced: int, order: Ints
) -> Int:
    """Drop a waiting order and add `order` as `core_place` does; 1, or 0 and `order` is dropped instead."""
    if core_cancel(account, pending, replaced) == 0:
        cancel(account, canceled, order[P_ORDER], CANCELED_NOT_REPLACED)
        return 0
    core_place(account, books, pending, order)
    return 1


@borrowing
def core_cancel_book(account: Ints, pending: Ints, k: int) -> Int:
    """Drop the waiting orders of instrument `k` (-1: of all); how many there were."""
    kept = 0
    waiting = account[A_PENDING]
    for row in range(waiting):
        if k >= 0 and pending[row, P_BOOK] != k:
            _keep(pending, row, kept)
            kept += 1
    account[A_PENDING] = kept
    return waiting - kept


@borrowing
def core_expire(account: Ints, pending: Ints, canceled: Ints, until_ns: int) -> None:
    """End the waiting orders whose time is up at `until_ns`."""
    stays_apart()
    kept = 0
    account[A_NEXT_EXPIRY] = FAR
    for row in range(account[A_PENDING]):
        expires = pending[row, P_EXPIRES]
        if expires != 0 and expires <= until_ns:
            cancel(account, canceled, pending[row, P_ORDER], CANCELED_EXPIRED)
            continue
        if expires != 0:
            account[A_NEXT_EXPIRY] = min(account[A_NEXT_EXPIRY], expires)
        _keep(pending, row, kept)
        kept += 1
    account[A_PENDING] = kept


@borrowing
def quote_orders(
    account: Ints, books: Ints, trades: Ints, k: int, time_ns: int, pending: Ints, fills: Ints, canceled: Ints
) -> None:
    """Fill or drop what waits for the present quote of `k`, in the order submitted."""
    stays_apart()
    kept = 0
    for row in range(account[A_PENDING]):
        done = 0
        if pending[row, P_BOOK] == k:
            kind = pending[row, P_KIND]
            if kind == KIND_TOUCHED and pending[row, P_SIDE] == SIDE_UNKNOWN:
                pending[row, P_SIDE] = side_of(books, pending[row])
            if pending[row, P_ACTIVE] <= time_ns:
                if kind == KIND_MARKET or triggered(books, k, pending[row]):
                    done = execute(account, books, trades, time_ns, pending[row], 0, fills, canceled)
                elif pending[row, P_FORCE] != WAITS_GTC:
                    fok = pending[row, P_FORCE] == WAITS_FOK
                    reason = CANCELED_INSUFFICIENT_LIQUIDITY if fok else CANCELED_REST
                    cancel(account, canceled, pending[row, P_ORDER], reason)
                    done = 1
        if done == 0:
            _keep(pending, row, kept)
            kept += 1
    account[A_PENDING] = kept


@borrowing
def range_orders(
    account: Ints,
    books: Ints,
    trades: Ints,
    k: int,
    open_ns: int,
    close_ns: int,
    bid_open: int,
    bid_high: int,
    bid_low: int,
    bid_close: int,
    ask_open: int,
    ask_high: int,
    ask_low: int,
    ask_close: int,
    pending: Ints,
    fills: Ints,
    canceled: Ints,
) -> None:
    """Fill what the range of a bar of `k` reaches, and test the exits that it brings against the range."""
    stays_apart()
    kept = 0
    for row in range(account[A_PENDING]):
        done = 0
        if (
            pending[row, P_BOOK] == k
            and pending[row, P_KIND] != KIND_MARKET
            and pending[row, P_FORCE] == WAITS_GTC
            and pending[row, P_ACTIVE] <= open_ns
        ):
            if pending[row, P_SIDE] == SIDE_UNKNOWN and pending[row, P_KIND] == KIND_TOUCHED:
                pending[row, P_SIDE] = side_of(books, pending[row])
            order = pending[row]
            level = reached(books, k, order, bid_open, bid_high, bid_low, ask_open, ask_high, ask_low)
            if level != 0:
                before = account[A_CANCELED]
                done = execute(account, books, trades, close_ns, order, level, fills, canceled)
                if done != 0 and account[A_CANCELED] == before:
                    _test_entry(
                        account,
                        books,
                        trades,
                        close_ns,
                        order,
                        bid_high,
                        bid_low,
                        bid_close,
                        ask_high,
                        ask_low,
                        ask_close,
                        fills,
                    )
        if done == 0:
            _keep(pending, row, kept)
            kept += 1
    account[A_PENDING] = kept


@borrowing
def _test_entry(
    account: Ints,
    books: Ints,
    trades: Ints,
    time_ns: int,
    order: Ints,
    bid_high: int,
    bid_low: int,
    bid_close: int,
    ask_high: int,
    ask_low: int,
    ask_close: int,
    fills: Ints,
) -> None:
    """The exits of an order that has just filled within a bar, if it opened or added."""
    stays_apart()
    k = order[P_BOOK]
    netting = account[A_MODE] == MODE_NETTING
    rows = books if netting else trades
    holding = k if netting else trade_of(account, trades, k, order[P_ORDER])
    if holding < 0 or rows[holding, B_ORDER] != order[P_ORDER]:
        return
    has_stop = 1 if order[P_STOP_DISTANCE] > 0 or order[P_STOP_PRICE] != 0 else 0
    has_target = 1 if order[P_TARGET_DISTANCE] > 0 or order[P_TARGET_PRICE] != 0 else 0
    has_trail = 1 if order[P_TRAIL_DISTANCE] > 0 else 0
    by_stop = 0 if as_limit(order) else 1
    if rows[holding, B_UNITS] > 0 and order[P_UNITS] > 0:
        worst, best, close = bid_low, bid_high, bid_close
    elif rows[holding, B_UNITS] < 0 and order[P_UNITS] < 0:
        worst, best, close = ask_high, ask_low, ask_close
    else:
        return
    entry_exits(
        account,
        books,
        rows,
        holding,
        k,
        time_ns,
        has_stop,
        has_target,
        has_trail,
        by_stop,
        worst,
        best,
        close,
        fills,
    )
    if not netting and rows[holding, B_UNITS] == 0:
        drop_trade(account, trades, holding)


@borrowing
def _keep(pending: Ints, row: int, kept: int) -> None:
    if kept != row:
        for column in range(PENDING_SIZE):
            pending[kept, column] = pending[row, column]
