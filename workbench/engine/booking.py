"""One fill in the books: the holding, its cost, the balance and the record; and what the market offers."""

from typing import Any

from workbench.engine.arithmetic import scale_half_even
from workbench.engine.layout import (
    A_BALANCE,
    A_CANCELED,
    A_FILLS,
    A_MODE,
    A_ORDER_DUE,
    A_ORDER_PAID,
    A_TRADES,
    B_ASK,
    B_ASKS,
    B_BID,
    B_BIDS,
    B_COST,
    B_LADDER,
    B_LEGS,
    B_LONGS,
    B_MICRO_PER_POINT,
    B_ORDER,
    B_SHORTS,
    B_SLIPPAGE,
    B_SLIPPAGE_PPM,
    B_STOP,
    B_TARGET,
    B_TRAIL,
    B_UNITS,
    C_ORDER,
    C_REASON,
    F_BALANCE,
    F_BOOK,
    F_COMMISSION,
    F_LEFT,
    F_ORDER,
    F_POSITION,
    F_PRICE,
    F_REALIZED,
    F_REASON,
    F_SPREAD,
    F_TIME,
    F_TRADE,
    F_UNITS,
    LEVELS,
    MODE_NETTING,
    PPM,
    TRADE_SIZE,
    Int,
    Ints,
)
from workbench.engine.money import charge_commission, core_position, in_account_currency
from workbench.indicators.compiled import borrowing, borrowing_inline, stays_apart

__all__ = [
    "book_fill",
    "cancel",
    "close_holding",
    "drop_trade",
    "level_at",
    "levels_of",
    "market_price",
    "slippage_of",
    "take_units",
]


@borrowing
def slippage_of(books: Ints, k: int) -> Int:
    """Points by which a fill that is not a limit's is worse than the quote."""
    slippage = books[k, B_SLIPPAGE]
    if books[k, B_SLIPPAGE_PPM] != 0:
        spread = max(0, books[k, B_ASK] - books[k, B_BID])
        slippage += -(-spread * books[k, B_SLIPPAGE_PPM] // PPM)
    return slippage


@borrowing
def market_price(books: Ints, k: int, units: int) -> Int:
    """What an order of `units` pays or gets now at the best price, at least one point."""
    if units > 0:
        return books[k, B_ASK] + slippage_of(books, k)
    return max(1, books[k, B_BID] - slippage_of(books, k))


@borrowing_inline
def levels_of(books: Ints, k: int, buys: int) -> Int:
    """Levels of the ladder that a buy or a sell meets; 0 when any size is done at the best price."""
    return books[k, B_ASKS] if buys != 0 else books[k, B_BIDS]


@borrowing
def level_at(books: Ints, k: int, buys: int, level: int) -> Any:
    """Price of a level of the ladder and the units left there."""
    column = B_LADDER + 2 * level + (2 * LEVELS if buys != 0 else 0)
    return books[k, column], books[k, column + 1]


@borrowing
def take_units(books: Ints, k: int, buys: int, level: int, units: int) -> None:
    """Take units out of a level of the ladder."""
    books[k, B_LADDER + 2 * level + (2 * LEVELS if buys != 0 else 0) + 1] -= units


@borrowing
def book_fill(
    account: Ints,
    books: Ints,
    rows: Ints,
    holding: int,
    k: int,
    order: int,
    time_ns: int,
    units: int,
    price: int,
    reason: int,
    left: int,
    fills: Ints,
) -> None:
    """Execute `units` of a holding (a row of books or of trades) at `price`; `left` is what still waits."""
    stays_apart()
    micro = books[k, B_MICRO_PER_POINT]
    before = rows[holding, B_UNITS]
    after = before + units
    realized = 0
    if before == 0 or (before > 0) == (units > 0):
        rows[holding, B_COST] += units * price * micro
    else:
        turns = abs(units) > abs(before)
        closed = before if turns else -units  # signed as the holding
        cost = rows[holding, B_COST]
        part = scale_half_even(abs(cost), abs(closed), abs(before))
        if before < 0:
            part = -part
        realized = closed * price * micro - part
        if books[k, B_LEGS] != 0:
            realized = in_account_currency(account, books, k, realized)
        rows[holding, B_COST] = after * price * micro if turns else cost - part
    rows[holding, B_UNITS] = after
    commission = charge_commission(account, books, k, abs(units), price)
    account[A_BALANCE] += realized - commission
    if after == 0:
        rows[holding, B_COST] = 0
        rows[holding, B_STOP] = 0
        rows[holding, B_TARGET] = 0
        rows[holding, B_TRAIL] = 0
    trade = 0
    if account[A_MODE] != MODE_NETTING:
        trade = rows[holding, B_ORDER]
        books[k, B_LONGS] += max(after, 0) - max(before, 0)
        books[k, B_SHORTS] += max(-after, 0) - max(-before, 0)
    row = account[A_FILLS]
    fills[row, F_ORDER] = order
    fills[row, F_BOOK] = k
    fills[row, F_TIME] = time_ns
    fills[row, F_UNITS] = units
    fills[row, F_PRICE] = price
    fills[row, F_REASON] = reason
    fills[row, F_COMMISSION] = commission
    fills[row, F_REALIZED] = realized
    fills[row, F_POSITION] = core_position(account, books, k)
    fills[row, F_BALANCE] = account[A_BALANCE]
    fills[row, F_SPREAD] = books[k, B_ASK] - books[k, B_BID]
    fills[row, F_TRADE] = trade
    fills[row, F_LEFT] = left
    account[A_FILLS] = row + 1


@borrowing
def close_holding(
    account: Ints,
    books: Ints,
    rows: Ints,
    holding: int,
    k: int,
    order: int,
    time_ns: int,
    at: int,
    worst: int,
    reason: int,
    fills: Ints,
) -> None:
    """Close a holding: at a given price, or (0) at the quote as far as its ladder goes.

    Slippage comes on top, but not for a target, which gives `worst`, the level to be met or bettered.
    """
    stays_apart()
    units = -rows[holding, B_UNITS]
    sign = 1 if units > 0 else -1
    slippage = sign * slippage_of(books, k) if worst == 0 else 0
    account[A_ORDER_DUE] = 0
    account[A_ORDER_PAID] = 0
    buys = 1 if units > 0 else 0
    levels = levels_of(books, k, buys)
    if at != 0 or levels == 0:
        if at == 0:
            at = books[k, B_ASK] if units > 0 else books[k, B_BID]
        price = max(1, at + slippage)
        book_fill(account, books, rows, holding, k, order, time_ns, units, price, reason, 0, fills)
        return
    for level in range(levels):
        price, room = level_at(books, k, buys, level)
        if units == 0 or (worst != 0 and sign * price > sign * worst):
            break
        size = sign * min(abs(units), room)
        if size != 0:
            units -= size
            take_units(books, k, buys, level, abs(size))
            price = max(1, price + slippage)
            book_fill(account, books, rows, holding, k, order, time_ns, size, price, reason, units, fills)


@borrowing
def drop_trade(account: Ints, trades: Ints, row: int) -> None:
    """Remove a trade that is closed; the others keep their order."""
    stays_apart()
    last = account[A_TRADES] - 1
    for item in range(row, last):
        for column in range(TRADE_SIZE):
            trades[item, column] = trades[item + 1, column]
    account[A_TRADES] = last


@borrowing
def cancel(account: Ints, canceled: Ints, order: int, reason: int) -> None:
    """Write down that an order ended without (more) fills."""
    row = account[A_CANCELED]
    canceled[row, C_ORDER] = order
    canceled[row, C_REASON] = reason
    account[A_CANCELED] = row + 1
