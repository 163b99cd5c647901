"""What is held is worth, needs as margin and pays over night, in the account's currency."""

from typing import Any

from workbench.engine.arithmetic import divide_half_even, ratio_half_even, scale_half_even
from workbench.engine.layout import (
    A_BALANCE,
    A_COMMISSION,
    A_CONVERTS,
    A_COSTED,
    A_ERROR,
    A_ERROR_BOOK,
    A_FINANCING,
    A_MARGIN_MODE,
    A_MODE,
    A_ORDER_DUE,
    A_ORDER_PAID,
    A_ROLLED,
    A_TRADES,
    B_ASK,
    B_BASE_BOOK,
    B_BASE_KIND,
    B_BID,
    B_COMMISSION_LOT,
    B_COMMISSION_MINIMUM,
    B_COMMISSION_PPM,
    B_COST,
    B_FINANCED,
    B_FINANCING,
    B_LEG_1,
    B_LEG_2,
    B_LEGS,
    B_LONG_PPM,
    B_LONGS,
    B_LOT_UNITS,
    B_MARGIN_PPM,
    B_MARKUP_PPM,
    B_MICRO_PER_POINT,
    B_SHORT_PPM,
    B_SHORTS,
    B_UNITS,
    COST_SIZE,
    ERROR_NO_CONVERSION,
    ERROR_TOO_LARGE,
    FINANCING_ANNUAL,
    FINANCING_ANNUAL_360,
    FINANCING_POINTS,
    MARGIN_ABSOLUTE_SUM,
    MARGIN_MAXIMAL_SIDE,
    MODE_NETTING,
    PPM,
    T_BOOK,
    Int,
    Ints,
)
from workbench.indicators.compiled import borrowing, borrowing_inline, stays_apart

__all__ = [
    "AS_GAIN",
    "AS_LOSS",
    "AT_MID",
    "charge_commission",
    "converted",
    "core_equity",
    "core_margin_used",
    "core_position",
    "core_rollovers",
    "core_summary",
    "core_unrealized",
    "doubled_mid_equity",
    "holding_profit",
    "in_account_currency",
    "margin_of",
    "margin_units",
]

AS_GAIN, AS_LOSS, AT_MID = range(3)  # which price of a conversion pair counts


@borrowing
def converted(account: Ints, books: Ints, k: int, amount: int, factor: int, divisor: int, side: int) -> Int:
    """`amount * factor / divisor` of the quote currency of `k` in the account's, rounded half to even once.

    The amount is 0 or more; `side` tells whether it is gained, lost or valued at mid. A pair that has no
    quote yet makes the state void.
    """
    stays_apart()
    legs = books[k, B_LEGS]
    n_1, d_1 = _leg(books, books[k, B_LEG_1], side)
    n_2, d_2 = (1, 1) if legs < 2 else _leg(books, books[k, B_LEG_2], side)
    if n_1 == 0 or d_1 == 0 or n_2 == 0 or d_2 == 0:
        account[A_ERROR] = ERROR_NO_CONVERSION
        account[A_ERROR_BOOK] = k
        return 0
    markup = books[k, B_MARKUP_PPM]
    n_3, d_3 = 1, 1
    if markup != 0 and side != AT_MID:
        n_3, d_3 = (PPM - markup if side == AS_GAIN else PPM + markup), PPM
    result = ratio_half_even(amount, n_1, n_2, n_3, factor, d_1, d_2, d_3, divisor)
    if result < 0:
        account[A_ERROR] = ERROR_TOO_LARGE
        account[A_ERROR_BOOK] = k
    return result


@borrowing
def _leg(books: Ints, leg: int, side: int) -> Any:
    """The price of a conversion pair as numerator and denominator; one of them is 0 before its quote."""
    pair = abs(leg) - 1
    scale = PPM // books[pair, B_MICRO_PER_POINT]
    if side == AT_MID:
        price = books[pair, B_BID] + books[pair, B_ASK]
        scale *= 2
    elif (side == AS_GAIN) == (leg > 0):
        price = books[pair, B_BID]
    else:
        price = books[pair, B_ASK]
    return (price, scale) if leg > 0 else (scale, price)


@borrowing
def in_account_currency(account: Ints, books: Ints, k: int, amount: int) -> Int:
    """A profit or loss in the quote currency of `k`, at the rate of a gain or of a loss."""
    if books[k, B_LEGS] == 0:
        return amount
    if amount < 0:
        return -converted(account, books, k, -amount, 1, 1, AS_LOSS)
    return converted(account, books, k, amount, 1, 1, AS_GAIN)


@borrowing_inline
def holding_profit(books: Ints, k: int, rows: Ints, row: int) -> Int:
    """Open profit of a holding of `k` at the closing side, micro-units of the quote currency."""
    units = rows[row, B_UNITS]
    if units == 0:
        return 0
    price = books[k, B_BID] if units > 0 else books[k, B_ASK]
    return units * price * books[k, B_MICRO_PER_POINT] - rows[row, B_COST]


@borrowing_inline
def core_equity(account: Ints, books: Ints, trades: Ints) -> Int:
    """Balance and open profit at the closing side, micro-units of the account's currency."""
    if account[A_CONVERTS] != 0 or account[A_TRADES] > 0:
        return _equity(account, books, trades)
    equity = account[A_BALANCE]
    for k in range(books.shape[0]):
        equity += holding_profit(books, k, books, k)
    return equity


@borrowing
def _equity(account: Ints, books: Ints, trades: Ints) -> Int:
    stays_apart()
    equity = account[A_BALANCE]
    if account[A_MODE] == MODE_NETTING:
        for k in range(books.shape[0]):
            if books[k, B_UNITS] != 0:
                equity += in_account_currency(account, books, k, holding_profit(books, k, books, k))
    for row in range(account[A_TRADES]):
        k = trades[row, T_BOOK]
        equity += in_account_currency(account, books, k, holding_profit(books, k, trades, row))
    return equity


@borrowing
def core_unrealized(account: Ints, books: Ints, trades: Ints, k: int) -> Int:
    """Open profit in instrument `k` at the closing side, micro-units of the account's currency."""
    stays_apart()
    profit = 0
    if books[k, B_UNITS] != 0:
        profit = in_account_currency(account, books, k, holding_profit(books, k, books, k))
    for row in range(account[A_TRADES]):
        if trades[row, T_BOOK] == k:
            profit += in_account_currency(account, books, k, holding_profit(books, k, trades, row))
    return profit


@borrowing_inline
def core_position(account: Ints, books: Ints, k: int) -> Int:
    """Units held of instrument `k`, longs less shorts."""
    return books[k, B_UNITS] + books[k, B_LONGS] - books[k, B_SHORTS]


@borrowing
def doubled_mid_equity(account: Ints, books: Ints, trades: Ints) -> Int:
    """Twice the equity with prices and conversion at mid."""
    stays_apart()
    equity = 2 * account[A_BALANCE]
    if account[A_MODE] == MODE_NETTING:
        for k in range(books.shape[0]):
            if books[k, B_UNITS] != 0:
                equity += _doubled_mid_profit(account, books, k, books, k)
    for row in range(account[A_TRADES]):
        equity += _doubled_mid_profit(account, books, trades[row, T_BOOK], trades, row)
    return equity


@borrowing
def _doubled_mid_profit(account: Ints, books: Ints, k: int, rows: Ints, row: int) -> Int:
    stays_apart()
    value = rows[row, B_UNITS] * (books[k, B_BID] + books[k, B_ASK]) * books[k, B_MICRO_PER_POINT]
    profit = value - 2 * rows[row, B_COST]
    if books[k, B_LEGS] == 0:
        return profit
    found = converted(account, books, k, abs(profit), 1, 1, AT_MID)
    return found if profit > 0 else -found


@borrowing
def margin_units(account: Ints, longs: int, shorts: int) -> Int:
    """Units that need margin where `longs` and `shorts` are held of one instrument."""
    if account[A_MARGIN_MODE] == MARGIN_ABSOLUTE_SUM:
        return longs + shorts
    if account[A_MARGIN_MODE] == MARGIN_MAXIMAL_SIDE:
        return max(longs, shorts)
    return abs(longs - shorts)


@borrowing
def margin_of(account: Ints, books: Ints, k: int, units: int) -> Int:
    """Margin of `units` (0 or more) of instrument `k` at mid, micro-units of the account's currency."""
    mid_doubled = books[k, B_BID] + books[k, B_ASK]
    if books[k, B_LEGS] == 0:
        value_doubled = units * mid_doubled * books[k, B_MICRO_PER_POINT]
        return scale_half_even(value_doubled, books[k, B_MARGIN_PPM], 2 * PPM)
    rate = books[k, B_MARGIN_PPM]
    if books[k, B_BASE_KIND] == 1:
        return units * rate
    if books[k, B_BASE_KIND] == 2:
        n, d = _leg(books, books[k, B_BASE_BOOK], AT_MID)
        if n == 0 or d == 0:
            account[A_ERROR] = ERROR_NO_CONVERSION
            account[A_ERROR_BOOK] = k
            return 0
        return ratio_half_even(units, n, rate, 1, 1, d, 1, 1, 1)
    value_doubled = units * mid_doubled * books[k, B_MICRO_PER_POINT]
    return converted(account, books, k, value_doubled, rate, 2 * PPM, AT_MID)


@borrowing
def core_margin_used(account: Ints, books: Ints) -> Int:
    """Margin of all that is held at mid, micro-units of the account's currency."""
    margin = 0
    for k in range(books.shape[0]):
        units = abs(books[k, B_UNITS])
        if account[A_MODE] != MODE_NETTING:
            units = margin_units(account, books[k, B_LONGS], books[k, B_SHORTS])
        if units != 0:
            margin += margin_of(account, books, k, units)
    return margin


@borrowing
def core_summary(account: Ints, books: Ints, trades: Ints, summary: Ints) -> None:
    """Write equity, margin used, the number of instruments held and twice the equity at mid to `summary`."""
    stays_apart()
    held = 0
    for k in range(books.shape[0]):
        if books[k, B_UNITS] != 0 or books[k, B_LONGS] != 0 or books[k, B_SHORTS] != 0:
            held += 1
    summary[0] = core_equity(account, books, trades)
    summary[1] = core_margin_used(account, books) if held > 0 else 0
    summary[2] = held
    summary[3] = doubled_mid_equity(account, books, trades)


@borrowing
def charge_commission(account: Ints, books: Ints, k: int, units: int, price: int) -> Int:
    """Book the commission of a fill of `units` (0 or more) and return it."""
    value = units * price * books[k, B_MICRO_PER_POINT]
    ppm, lot = books[k, B_COMMISSION_PPM], books[k, B_COMMISSION_LOT]
    if books[k, B_LEGS] == 0 or ppm == 0:
        commission = scale_half_even(value, ppm, PPM)
    else:
        commission = converted(account, books, k, value, ppm, PPM, AS_LOSS)
    if lot != 0:
        commission += divide_half_even(units * lot, books[k, B_LOT_UNITS])
    due, paid = account[A_ORDER_DUE] + commission, account[A_ORDER_PAID]
    commission = max(0, max(due, books[k, B_COMMISSION_MINIMUM]) - paid)
    account[A_ORDER_DUE] = due
    account[A_ORDER_PAID] = paid + commission
    account[A_COMMISSION] += commission
    return commission


@borrowing
def core_rollovers(
    account: Ints, books: Ints, trades: Ints, until_ns: int, roll_ns: Ints, roll_days: Ints, costs: Ints
) -> None:
    """Book the financing of every rollover not yet done with, up to and including `until_ns`.

    Each at the last mids seen; a change of costs takes effect right after the rollover at its instant.
    """
    stays_apart()
    at = account[A_ROLLED]
    while at < roll_ns.shape[0] and roll_ns[at] <= until_ns:
        if account[A_MODE] == MODE_NETTING:
            for k in range(books.shape[0]):
                if books[k, B_UNITS] != 0 and roll_days[at, k] != 0:
                    _finance(account, books, k, books[k, B_UNITS], roll_days[at, k])
        for row in range(account[A_TRADES]):
            k = trades[row, T_BOOK]
            if roll_days[at, k] != 0:
                _finance(account, books, k, trades[row, B_UNITS], roll_days[at, k])
        _change_costs(account, books, roll_ns[at], costs)
        at += 1
    account[A_ROLLED] = at


@borrowing
def _finance(account: Ints, books: Ints, k: int, units: int, days: int) -> None:
    """Pay or receive the financing of `units` for some days, rounded half to even once."""
    stays_apart()
    rate = books[k, B_LONG_PPM] if units > 0 else books[k, B_SHORT_PPM]
    size, micro = abs(units), books[k, B_MICRO_PER_POINT]
    side = AS_LOSS if rate < 0 else AS_GAIN
    mode = books[k, B_FINANCING]
    if mode in (FINANCING_ANNUAL, FINANCING_ANNUAL_360):
        value_doubled = size * (books[k, B_BID] + books[k, B_ASK]) * micro
        year = 2 * PPM * (365 if mode == FINANCING_ANNUAL else 360)
        if books[k, B_LEGS] == 0:
            amount = scale_half_even(value_doubled, abs(rate) * days, year)
        else:
            amount = converted(account, books, k, value_doubled, abs(rate) * days, year, side)
    elif mode == FINANCING_POINTS:
        if books[k, B_LEGS] == 0:
            amount = scale_half_even(size * micro * days, abs(rate), PPM)
        else:
            amount = converted(account, books, k, size * micro * days, abs(rate), PPM, side)
    else:
        amount = scale_half_even(size * days, abs(rate), books[k, B_LOT_UNITS])
    if rate < 0:
        amount = -amount
    account[A_FINANCING] += amount
    account[A_BALANCE] += amount
    books[k, B_FINANCED] += amount


@borrowing
def _change_costs(account: Ints, books: Ints, now_ns: int, costs: Ints) -> None:
    at = account[A_COSTED]
    while at < costs.shape[0] and costs[at, 0] <= now_ns:
        for column in range(2, COST_SIZE):
            books[costs[at, 1], B_COMMISSION_PPM + column - 2] = costs[at, column]
        at += 1
    account[A_COSTED] = at
