"""Executing an order: what it may close and open, what the market offers, and the fills."""

from typing import Any

from workbench.engine.booking import (
    book_fill,
    cancel,
    drop_trade,
    level_at,
    levels_of,
    slippage_of,
    take_units,
)
from workbench.engine.exits import (
    set_exits,
)
from workbench.engine.layout import (
    A_MODE,
    A_ORDER_DUE,
    A_ORDER_PAID,
    A_TRADES,
    B_ASK,
    B_BID,
    B_LONGS,
    B_MICRO_PER_POINT,
    B_ORDER,
    B_SHORTS,
    B_STOP,
    B_TARGET,
    B_TRAIL,
    B_UNITS,
    CANCELED_BOUND,
    CANCELED_FIFO,
    CANCELED_INSUFFICIENT_LIQUIDITY,
    CANCELED_INSUFFICIENT_MARGIN,
    CANCELED_NO_TRADE,
    CANCELED_NOTHING_TO_CLOSE,
    CANCELED_REST,
    CANCELED_TOO_LARGE,
    CANCELED_WOULD_REDUCE,
    FILL_DEFAULT,
    FILL_OPEN_ONLY,
    FILL_REDUCE_ONLY,
    KIND_LIMIT,
    KIND_STOP,
    KIND_TOUCHED,
    MAX_UNITS,
    MAX_VALUE,
    MODE_FIFO,
    MODE_HEDGING,
    MODE_NETTING,
    P_BOOK,
    P_BOUND,
    P_CLOSES,
    P_DUE,
    P_FORCE,
    P_KIND,
    P_ORDER,
    P_PAID,
    P_POSITION_FILL,
    P_PRICE,
    P_STOP_DISTANCE,
    P_STOP_PRICE,
    P_TARGET_DISTANCE,
    P_TARGET_PRICE,
    P_TRAIL_DISTANCE,
    P_UNITS,
    REASON_LIMIT,
    REASON_MARKET,
    REASON_STOP,
    REASON_TOUCHED,
    T_BOOK,
    T_TIME,
    TRADE_SIZE,
    WAITS_FOK,
    WAITS_IOC,
    Int,
    Ints,
)
from workbench.engine.money import (
    core_equity,
    core_margin_used,
    margin_of,
    margin_units,
)
from workbench.engine.triggers import (
    as_limit,
)
from workbench.indicators.compiled import borrowing, stays_apart

__all__ = [
    "execute",
    "trade_of",
]


@borrowing
def execute(
    account: Ints,
    books: Ints,
    trades: Ints,
    time_ns: int,
    waiting: Ints,
    at: int,
    fills: Ints,
    canceled: Ints,
) -> Int:
    """Fill or drop an order at the present quote of its instrument, or at the price `at` within a bar.

    Returns 1 when the order is done with, 0 when it (or its rest) waits on.
    """
    stays_apart()
    order, k, wanted = waiting[P_ORDER], waiting[P_BOOK], waiting[P_UNITS]
    sign = 1 if wanted > 0 else -1
    closable, may_open, refused = _closable(account, books, trades, waiting)
    if refused >= 0:
        cancel(account, canceled, order, refused)
        return 1
    size = abs(wanted) if may_open != 0 else min(abs(wanted), closable)
    limit = waiting[P_PRICE] if as_limit(waiting) else 0
    slippage = 0 if limit != 0 else sign * slippage_of(books, k)
    bound = limit if limit != 0 else waiting[P_BOUND]
    now, more, price = _on_offer(books, k, sign, size, bound, slippage, at)
    bounded = more != 0 and limit == 0
    force = waiting[P_FORCE]
    if now < size:
        if force == WAITS_FOK:
            reason = CANCELED_BOUND if bounded else CANCELED_INSUFFICIENT_LIQUIDITY
            cancel(account, canceled, order, reason)
            return 1
        if now == 0:
            if bounded or force == WAITS_IOC:
                cancel(account, canceled, order, CANCELED_BOUND if bounded else CANCELED_REST)
                return 1
            return 0
    if now > closable:
        refused = _refusal(account, books, trades, k, sign * now, sign * min(now, closable), price)
        if refused >= 0:
            cancel(account, canceled, order, refused)
            return 1
    account[A_ORDER_DUE] = waiting[P_DUE]
    account[A_ORDER_PAID] = waiting[P_PAID]
    _fill(account, books, trades, time_ns, waiting, sign, size, now, min(now, closable), slippage, at, fills)
    if now == size:
        return 1
    if force == WAITS_IOC or bounded:
        cancel(account, canceled, order, CANCELED_BOUND if bounded else CANCELED_REST)
        return 1
    waiting[P_UNITS] = sign * (size - now)
    waiting[P_DUE] = account[A_ORDER_DUE]
    waiting[P_PAID] = account[A_ORDER_PAID]
    return 0


@borrowing
def _closable(account: Ints, books: Ints, trades: Ints, waiting: Ints) -> Any:
    """Units an order may close, whether it may open too, and why it is refused (-1: it is not)."""
    k, units, how = waiting[P_BOOK], waiting[P_UNITS], waiting[P_POSITION_FILL]
    mode = account[A_MODE]
    if waiting[P_CLOSES] != 0:
        row = trade_of(account, trades, k, waiting[P_CLOSES])
        if row < 0:
            return 0, 0, CANCELED_NO_TRADE
        held = trades[row, B_UNITS]
        if (held > 0) == (units > 0):
            return 0, 0, CANCELED_NOTHING_TO_CLOSE
        if mode == MODE_FIFO and not _first_of_its_size(trades, k, row, units):
            return 0, 0, CANCELED_FIFO
        return abs(held), 0, -1
    if mode == MODE_NETTING:
        position = books[k, B_UNITS]
        against = abs(position) if (position > 0) != (units > 0) else 0
    else:
        against = books[k, B_SHORTS] if units > 0 else books[k, B_LONGS]
    if how == FILL_REDUCE_ONLY:
        return against, 0, (CANCELED_NOTHING_TO_CLOSE if against == 0 else -1)
    if mode == MODE_HEDGING and (how in (FILL_DEFAULT, FILL_OPEN_ONLY)):
        return 0, 1, -1
    if how == FILL_OPEN_ONLY and against != 0:
        return 0, 0, CANCELED_WOULD_REDUCE
    return against, 1, -1


@borrowing
def trade_of(account: Ints, trades: Ints, k: int, order: int) -> Int:
    """The row of the trade of `k` that an order opened, -1 for none."""
    for row in range(account[A_TRADES]):
        if trades[row, B_ORDER] == order and trades[row, T_BOOK] == k:
            return row
    return -1


@borrowing
def _first_of_its_size(trades: Ints, k: int, row: int, units: int) -> Any:
    """Whether closing a trade by `units` keeps to first in, first out: NFA rule 2-43(b)."""
    size = abs(trades[row, B_UNITS])
    older = 0
    for item in range(row):
        if trades[item, T_BOOK] == k:
            older += 1
            if abs(trades[item, B_UNITS]) == size:
                return False
    return older == 0 or abs(units) >= size


@borrowing
def _on_offer(books: Ints, k: int, sign: int, size: int, bound: int, slippage: int, at: int) -> Any:
    """Units of `size` that can be had now, whether a price bound keeps more away, and the worst price."""
    buys = 1 if sign > 0 else 0
    levels = levels_of(books, k, buys)
    if at != 0 or levels == 0:
        price = at
        if at == 0:
            price = books[k, B_ASK] if sign > 0 else books[k, B_BID]
        price = max(1, price + slippage)
        if bound != 0 and sign * price > sign * bound:
            return 0, 1, price
        return size, 0, price
    now, worst = 0, 1
    for level in range(levels):
        price, room = level_at(books, k, buys, level)
        price = max(1, price + slippage)
        if now == size:
            break
        if room == 0:
            continue
        if bound != 0 and sign * price > sign * bound:
            return now, 1, worst
        now += min(size - now, room)
        worst = price
    return now, 0, worst


@borrowing
def _refusal(account: Ints, books: Ints, trades: Ints, k: int, units: int, closing: int, price: int) -> Int:
    """Why an order that opens `units` less `closing` can not be, -1 when it can."""
    micro = books[k, B_MICRO_PER_POINT]
    netting = account[A_MODE] == MODE_NETTING
    longs, shorts = books[k, B_LONGS], books[k, B_SHORTS]
    if netting:
        position = books[k, B_UNITS]
        need, after = abs(position), abs(position + units)
        largest = max(after, abs(units))
    else:
        need = margin_units(account, longs, shorts)
        if units > 0:
            longs, shorts = longs + units - closing, shorts - closing
        else:
            longs, shorts = longs + closing, shorts - (units - closing)
        after = margin_units(account, longs, shorts)
        largest = max(longs + shorts, abs(units))
    dearest = max(price, books[k, B_ASK]) * micro
    if largest > MAX_UNITS or largest > MAX_VALUE // dearest:
        return CANCELED_TOO_LARGE
    margin = core_margin_used(account, books)
    if need != 0:
        margin -= margin_of(account, books, k, need)
    margin += margin_of(account, books, k, after)
    if margin > core_equity(account, books, trades):
        return CANCELED_INSUFFICIENT_MARGIN
    return -1


@borrowing
def _fill(
    account: Ints,
    books: Ints,
    trades: Ints,
    time_ns: int,
    waiting: Ints,
    sign: int,
    size: int,
    now: int,
    closing: int,
    slippage: int,
    at: int,
    fills: Ints,
) -> None:
    """Fill `now` of `size` units, level by level; the first `closing` of them close what is held."""
    k = waiting[P_BOOK]
    buys = 1 if sign > 0 else 0
    levels = levels_of(books, k, buys)
    if at != 0 or levels == 0:
        if at == 0:
            at = books[k, B_ASK] if sign > 0 else books[k, B_BID]
            closes_at = books[k, B_BID] if sign > 0 else books[k, B_ASK]
        else:
            closes_at = at - sign * max(0, books[k, B_ASK] - books[k, B_BID])
        price = max(1, at + slippage)
        _fill_level(
            account, books, trades, time_ns, waiting, sign, now, size - now, closing, price, closes_at, fills
        )
        return
    closes_at = books[k, B_BID] if sign > 0 else books[k, B_ASK]
    left = now
    for level in range(levels):
        price, room = level_at(books, k, buys, level)
        part = min(left, room)
        if part == 0:
            continue
        take_units(books, k, buys, level, part)
        price = max(1, price + slippage)
        left -= part
        rest = size - now + left
        closed = min(part, closing)
        _fill_level(
            account, books, trades, time_ns, waiting, sign, part, rest, closed, price, closes_at, fills
        )
        closing -= closed


@borrowing
def _fill_level(
    account: Ints,
    books: Ints,
    trades: Ints,
    time_ns: int,
    waiting: Ints,
    sign: int,
    units: int,
    rest: int,
    closing: int,
    price: int,
    closes_at: int,
    fills: Ints,
) -> None:
    """Fill `units` (0 or more) at one price: `closing` of them close, the others open."""
    order, k, kind = waiting[P_ORDER], waiting[P_BOOK], waiting[P_KIND]
    reason = REASON_MARKET
    if kind == KIND_LIMIT:
        reason = REASON_LIMIT
    elif kind == KIND_STOP:
        reason = REASON_STOP
    elif kind == KIND_TOUCHED:
        reason = REASON_TOUCHED
    if account[A_MODE] == MODE_NETTING:
        position = books[k, B_UNITS]
        book_fill(
            account, books, books, k, k, order, time_ns, sign * units, price, reason, sign * rest, fills
        )
        if units > closing:
            if position != 0 and (position > 0) != (sign > 0):
                books[k, B_STOP] = 0
                books[k, B_TARGET] = 0
                books[k, B_TRAIL] = 0
            _open(books, k, waiting, price, closes_at)
        return
    opening = units - closing
    row = 0
    while closing > 0 and row < account[A_TRADES]:
        held = trades[row, B_UNITS]
        named = waiting[P_CLOSES] == 0 or waiting[P_CLOSES] == trades[row, B_ORDER]
        if trades[row, T_BOOK] != k or (held > 0) == (sign > 0) or not named:
            row += 1
            continue
        part = min(closing, abs(held))
        closing -= part
        left = sign * (rest + closing + opening)
        book_fill(account, books, trades, row, k, order, time_ns, sign * part, price, reason, left, fills)
        if part == abs(held):
            drop_trade(account, trades, row)
    if opening > 0:
        row = trade_of(account, trades, k, order)
        if row < 0:
            row = account[A_TRADES]
            for column in range(TRADE_SIZE):
                trades[row, column] = 0
            trades[row, B_ORDER] = order
            trades[row, T_BOOK] = k
            trades[row, T_TIME] = time_ns
            account[A_TRADES] = row + 1
        left = sign * rest
        book_fill(account, books, trades, row, k, order, time_ns, sign * opening, price, reason, left, fills)
        _open(trades, row, waiting, price, closes_at)


@borrowing
def _open(rows: Ints, holding: int, waiting: Ints, price: int, closes_at: int) -> None:
    """After an opening fill: who it was, and the exits it brings."""
    rows[holding, B_ORDER] = waiting[P_ORDER]
    set_exits(
        rows,
        holding,
        waiting[P_ORDER],
        price,
        closes_at,
        waiting[P_STOP_DISTANCE],
        waiting[P_TARGET_DISTANCE],
        waiting[P_TRAIL_DISTANCE],
        waiting[P_STOP_PRICE],
        waiting[P_TARGET_PRICE],
    )
