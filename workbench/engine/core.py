"""The compiled core: order matching, costs, margin and financing on whole numbers.

The one implementation behind backtest, replay and paper trading. All state is int64: prices in points,
quantities in units, money in micro-units of the account currency, which is the quote currency of every
instrument. Nothing is a float but one filter that decides whether an exact check is needed.

State
-----
``account``  int64[ACCOUNT_SIZE], see ``A_...``: the balance, what was paid, the clock, the counters.
``books``    int64[n_instruments, BOOK_SIZE], see ``B_...``: the position, its stop and target, the last
             quote, and the costs of each instrument.
``pending``  int64[capacity, PENDING_SIZE], see ``P_...``: market orders that wait for a quote;
             ``account[A_PENDING]`` rows are in use.
``fills``    int64[capacity, FILL_SIZE], see ``F_...``; ``account[A_FILLS]`` rows are in use.
``canceled`` int64[capacity, CANCELED_SIZE], see ``C_...``; ``account[A_CANCELED]`` rows are in use.
``roll_ns``, ``roll_days``  the rollovers of the whole period in order, from
             `workbench.domain.calendar.rollovers`; ``account[A_ROLLED]`` counts those done with.

How to drive it
---------------
Make the state with `new_account` and `set_book`. Then, in order of time::

    for each bar i:
        fills = ensure_room(account, pending, books, fills)       # keeps, or doubles, the buffer
        core_quote(account, books, k, open_ns, bid_open, ask_open, pending, fills, canceled,
                   roll_ns, roll_days)                            # the first quote of the bar
        core_range(account, books, k, close_ns, bid_open, bid_high, bid_low, bid_close, ask_open,
                   ask_high, ask_low, ask_close, fills, roll_ns, roll_days)
        equity[i] = core_equity(account, books)
        ... decide ...
        pending = pending_room(account, pending)
        core_submit(account, pending, order_key, k, units, reduce_only, stop_distance, target_distance)

or ``core_quote`` alone on ticks. Rows of ``fills`` and ``canceled`` stay until the caller sets
``account[A_FILLS]`` or ``account[A_CANCELED]`` to 0. An order key is any number that the caller can turn
into a client order id; a stop or target fill carries the key of the order that set it.

Rules
-----
Sides      A buy fills at the ask plus slippage, a sell at the bid less slippage. A target fills without
           slippage.
Quote      In this order: rollovers up to and including its time, each at the last mid seen before;
           the stop or target if the quote has reached it, at the quote; the waiting orders of the
           instrument as they came; the close-out check.
Range      The bar's extremes after its first quote. A level that the open has already passed (it was
           set by an order filled there) fills at the open; then the stop, at its level; then the
           target, at its level. A bar that reaches both counts in ``account[A_AMBIGUOUS]`` and is
           taken as the stop. Fills of a range carry the bar's close as their time, when they
           are known. Rollovers strictly inside the bar come first, those at its close wait for the
           next quote.
Netting    One position an instrument. Adding sums the cost, reducing takes the proportional part of
           it, rounded half to even once; what is rounded off stays in the cost, so the profits booked
           until the position is flat sum exactly to proceeds less cost.
Stops      Belong to the position. An order that opens or adds replaces the stop (target) if it
           brings one; one that turns the position starts without the old ones; one that reduces leaves
           them.
Margin     Sum over instruments of ``|units| * mid * margin rate``, each rounded half to even. An order
           that opens, adds or turns is dropped if the margin after it exceeded the equity before it.
           When equity at mid is half the margin or less, everything is closed at the market.
Limits     A position above `MAX_UNITS` units or `MAX_VALUE` micro-units is not opened, so no product
           overflows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.indicators.compiled import borrowing, borrowing_inline, compiled, compiled_inline

__all__ = [
    "ACCOUNT_SIZE",
    "A_AMBIGUOUS",
    "A_BALANCE",
    "A_CANCELED",
    "A_COMMISSION",
    "A_FILLS",
    "A_FINANCING",
    "A_PENDING",
    "A_ROLLED",
    "A_TIME",
    "BOOK_SIZE",
    "B_ASK",
    "B_BID",
    "B_COMMISSION_PPM",
    "B_COST",
    "B_LONG_PPM",
    "B_MARGIN_PPM",
    "B_MICRO_PER_POINT",
    "B_ORDER",
    "B_SHORT_PPM",
    "B_SLIPPAGE",
    "B_STOP",
    "B_STOP_ORDER",
    "B_TARGET",
    "B_TARGET_ORDER",
    "B_UNITS",
    "CANCELED_INSUFFICIENT_MARGIN",
    "CANCELED_NOTHING_TO_CLOSE",
    "CANCELED_SIZE",
    "CANCELED_TOO_LARGE",
    "C_ORDER",
    "C_REASON",
    "FILL_SIZE",
    "F_BALANCE",
    "F_BOOK",
    "F_COMMISSION",
    "F_ORDER",
    "F_POSITION",
    "F_PRICE",
    "F_REALIZED",
    "F_REASON",
    "F_SPREAD",
    "F_TIME",
    "F_UNITS",
    "MAX_UNITS",
    "MAX_VALUE",
    "PENDING_SIZE",
    "P_BOOK",
    "P_ORDER",
    "P_REDUCE_ONLY",
    "P_STOP_DISTANCE",
    "P_TARGET_DISTANCE",
    "P_UNITS",
    "REASON_MARGIN_CLOSEOUT",
    "REASON_MARKET",
    "REASON_STOP_LOSS",
    "REASON_TAKE_PROFIT",
    "core_equity",
    "core_margin_used",
    "core_quote",
    "core_range",
    "core_rollovers",
    "core_submit",
    "core_summary",
    "core_unrealized",
    "divide_half_even",
    "ensure_room",
    "grown",
    "new_account",
    "new_books",
    "new_rows",
    "pending_room",
    "scale_half_even",
    "set_book",
]

Ints = npt.NDArray[np.int64]
Int = Any  # an int64 read from an array: numpy and Python integers alike

(A_BALANCE, A_FINANCING, A_COMMISSION, A_TIME, A_ROLLED, A_PENDING, A_FILLS, A_CANCELED, A_AMBIGUOUS) = range(
    9
)
ACCOUNT_SIZE = 9

# position ... last quote ... constants of the instrument
(
    B_UNITS,
    B_COST,  # micro-units, signed as the position
    B_STOP,  # points, 0 for none
    B_TARGET,
    B_STOP_ORDER,  # keys of the orders that set them
    B_TARGET_ORDER,
    B_ORDER,  # key of the last order that opened or added
    B_BID,  # points, 0 before the first quote
    B_ASK,
    B_MICRO_PER_POINT,
    B_COMMISSION_PPM,
    B_LONG_PPM,
    B_SHORT_PPM,
    B_MARGIN_PPM,
    B_SLIPPAGE,
) = range(15)
BOOK_SIZE = 15

(P_ORDER, P_BOOK, P_UNITS, P_REDUCE_ONLY, P_STOP_DISTANCE, P_TARGET_DISTANCE) = range(6)
PENDING_SIZE = 6

(
    F_ORDER,
    F_BOOK,
    F_TIME,
    F_UNITS,
    F_PRICE,
    F_REASON,
    F_COMMISSION,
    F_REALIZED,
    F_POSITION,
    F_BALANCE,
    F_SPREAD,  # points between bid and ask of the last quote, for the account of costs
) = range(11)
FILL_SIZE = 11

(C_ORDER, C_REASON) = range(2)
CANCELED_SIZE = 2

REASON_MARKET, REASON_STOP_LOSS, REASON_TAKE_PROFIT, REASON_MARGIN_CLOSEOUT = range(4)
CANCELED_NOTHING_TO_CLOSE, CANCELED_INSUFFICIENT_MARGIN, CANCELED_TOO_LARGE = range(3)

MAX_UNITS = 1_000_000_000
MAX_VALUE = 1_000_000_000_000_000_000  # micro-units: 10**12 of the currency
_PPM = 1_000_000
_YEAR_PPM_DOUBLED = 2 * 365 * _PPM


def new_account(balance: int, *, time_ns: int = np.iinfo(np.int64).min) -> Ints:
    """The state of an account with `balance` micro-units and no positions."""
    account = np.zeros(ACCOUNT_SIZE, np.int64)
    account[A_BALANCE] = balance
    account[A_TIME] = time_ns
    return account


def new_books(count: int) -> Ints:
    """Empty books for `count` instruments; fill in the costs with `set_book`."""
    return np.zeros((count, BOOK_SIZE), np.int64)


def new_rows(size: int, *, capacity: int = 64) -> Ints:
    """A buffer for `capacity` fills, orders or cancellations: `size` is FILL_SIZE and so on."""
    return np.zeros((capacity, size), np.int64)


def set_book(
    books: Ints,
    k: int,
    *,
    micro_per_point: int,
    commission_ppm: int,
    financing_long_ppm: int,
    financing_short_ppm: int,
    margin_rate_ppm: int,
    slippage_points: int,
) -> None:
    """Write the constants of instrument `k`."""
    books[k, B_MICRO_PER_POINT] = micro_per_point
    books[k, B_COMMISSION_PPM] = commission_ppm
    books[k, B_LONG_PPM] = financing_long_ppm
    books[k, B_SHORT_PPM] = financing_short_ppm
    books[k, B_MARGIN_PPM] = margin_rate_ppm
    books[k, B_SLIPPAGE] = slippage_points


@borrowing
def divide_half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half to even; the denominator is positive."""
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient % 2 != 0):
        quotient += 1
    return quotient


@borrowing
def scale_half_even(amount: int, factor: int, denominator: int) -> int:
    """`amount * factor / denominator` rounded half to even once, without overflow in the product.

    Amount, factor and denominator are 0 or more, denominator * factor below 2**63.
    """
    whole = amount // denominator
    numerator = (amount - whole * denominator) * factor
    part = numerator // denominator
    result = whole * factor + part
    twice = 2 * (numerator - part * denominator)
    if twice > denominator or (twice == denominator and result % 2 != 0):
        result += 1
    return result


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
    pending[row, P_ORDER] = order
    pending[row, P_BOOK] = k
    pending[row, P_UNITS] = units
    pending[row, P_REDUCE_ONLY] = reduce_only
    pending[row, P_STOP_DISTANCE] = stop_distance
    pending[row, P_TARGET_DISTANCE] = target_distance
    account[A_PENDING] = row + 1


@compiled_inline
def pending_room(account: Ints, rows: Ints) -> Ints:
    """`rows` (of pending or canceled) with room for two more orders, grown when it has not."""
    needed = account[A_PENDING] + account[A_CANCELED] + 2
    return rows if needed <= rows.shape[0] else grown(rows, needed)


@compiled_inline
def ensure_room(account: Ints, pending: Ints, books: Ints, fills: Ints) -> Ints:
    """`fills` with room for all that one quote and range can fill, grown when it has not."""
    needed = account[A_FILLS] + account[A_PENDING] + 3 * books.shape[0] + 2
    return fills if needed <= fills.shape[0] else grown(fills, needed)


@compiled
def grown(rows: Ints, needed: int) -> Ints:
    """A copy of `rows` with room for twice what is needed."""
    copy = np.zeros((2 * needed, rows.shape[1]), np.int64)
    copy[: rows.shape[0]] = rows
    return copy


@borrowing_inline
def core_unrealized(books: Ints, k: int) -> Int:
    """Profit of the open position at the closing side, micro-units."""
    units = books[k, B_UNITS]
    if units == 0:
        return 0
    price = books[k, B_BID] if units > 0 else books[k, B_ASK]
    return units * price * books[k, B_MICRO_PER_POINT] - books[k, B_COST]


@borrowing_inline
def core_equity(account: Ints, books: Ints) -> Int:
    """Balance and open profit at the closing side, micro-units."""
    equity = account[A_BALANCE]
    for k in range(books.shape[0]):
        equity += core_unrealized(books, k)
    return equity


@borrowing
def _margin_of(units: int, bid: int, ask: int, micro_per_point: int, margin_ppm: int) -> int:
    value_doubled = abs(units) * (bid + ask) * micro_per_point
    return scale_half_even(value_doubled, margin_ppm, 2 * _PPM)


@borrowing
def core_margin_used(books: Ints) -> int:
    """Margin of all positions at mid, micro-units."""
    margin = 0
    for k in range(books.shape[0]):
        if books[k, B_UNITS] != 0:
            margin += _margin_of(
                books[k, B_UNITS],
                books[k, B_BID],
                books[k, B_ASK],
                books[k, B_MICRO_PER_POINT],
                books[k, B_MARGIN_PPM],
            )
    return margin


@borrowing
def core_summary(account: Ints, books: Ints, summary: Ints) -> None:
    """Write equity, margin used and the number of open positions to `summary`."""
    held = 0
    for k in range(books.shape[0]):
        if books[k, B_UNITS] != 0:
            held += 1
    summary[0] = core_equity(account, books)
    summary[1] = core_margin_used(books) if held > 0 else 0
    summary[2] = held


@borrowing
def core_rollovers(account: Ints, books: Ints, until_ns: int, roll_ns: Ints, roll_days: Ints) -> None:
    """Book the financing of every rollover not yet done with, up to and including `until_ns`.

    Each position pays |units| * mid * rate of its side * days / 365 at the last mid seen, rounded
    half to even; a negative rate pays, a positive one receives.
    """
    at = account[A_ROLLED]
    while at < roll_ns.shape[0] and roll_ns[at] <= until_ns:
        for k in range(books.shape[0]):
            units = books[k, B_UNITS]
            if units == 0:
                continue
            rate = books[k, B_LONG_PPM] if units > 0 else books[k, B_SHORT_PPM]
            value_doubled = abs(units) * (books[k, B_BID] + books[k, B_ASK]) * books[k, B_MICRO_PER_POINT]
            amount = scale_half_even(value_doubled, abs(rate) * roll_days[at], _YEAR_PPM_DOUBLED)
            if rate < 0:
                amount = -amount
            account[A_FINANCING] += amount
            account[A_BALANCE] += amount
        at += 1
    account[A_ROLLED] = at


@borrowing
def _fill(
    account: Ints,
    books: Ints,
    k: int,
    order: int,
    time_ns: int,
    units: int,
    price: int,
    reason: int,
    fills: Ints,
) -> None:
    """Execute `units` at `price`: the position, its cost, the balance and the record."""
    micro = books[k, B_MICRO_PER_POINT]
    position = books[k, B_UNITS]
    after = position + units
    realized = 0
    if position == 0 or (position > 0) == (units > 0):
        books[k, B_COST] += units * price * micro
    else:
        closed = -units if abs(units) <= abs(position) else position  # signed as the position
        cost = books[k, B_COST]
        part = scale_half_even(abs(cost), abs(closed), abs(position))
        if position < 0:
            part = -part
        realized = closed * price * micro - part
        books[k, B_COST] = cost - part if abs(units) <= abs(position) else after * price * micro
    books[k, B_UNITS] = after
    commission = scale_half_even(abs(units) * price * micro, books[k, B_COMMISSION_PPM], _PPM)
    account[A_COMMISSION] += commission
    account[A_BALANCE] += realized - commission
    if after == 0:
        books[k, B_COST] = 0
        books[k, B_STOP] = 0
        books[k, B_TARGET] = 0
    row = account[A_FILLS]
    fills[row, F_ORDER] = order
    fills[row, F_BOOK] = k
    fills[row, F_TIME] = time_ns
    fills[row, F_UNITS] = units
    fills[row, F_PRICE] = price
    fills[row, F_REASON] = reason
    fills[row, F_COMMISSION] = commission
    fills[row, F_REALIZED] = realized
    fills[row, F_POSITION] = after
    fills[row, F_BALANCE] = account[A_BALANCE]
    fills[row, F_SPREAD] = books[k, B_ASK] - books[k, B_BID]
    account[A_FILLS] = row + 1


@borrowing
def _market_price(books: Ints, k: int, units: int) -> Int:
    """What an order of `units` pays or gets now, at least one point."""
    if units > 0:
        return books[k, B_ASK] + books[k, B_SLIPPAGE]
    return max(1, books[k, B_BID] - books[k, B_SLIPPAGE])


@borrowing
def _cancel(account: Ints, canceled: Ints, order: int, reason: int) -> None:
    row = account[A_CANCELED]
    canceled[row, C_ORDER] = order
    canceled[row, C_REASON] = reason
    account[A_CANCELED] = row + 1


@borrowing
def _execute(account: Ints, books: Ints, time_ns: int, waiting: Ints, fills: Ints, canceled: Ints) -> None:
    """Fill or drop one market order (a row of pending) at the present quote of its instrument."""
    order, k, units = waiting[P_ORDER], waiting[P_BOOK], waiting[P_UNITS]
    position = books[k, B_UNITS]
    opposite = (position > 0 and units < 0) or (position < 0 and units > 0)
    if waiting[P_REDUCE_ONLY] != 0:
        if not opposite:
            _cancel(account, canceled, order, CANCELED_NOTHING_TO_CLOSE)
            return
        if abs(units) > abs(position):
            units = -position
    price = _market_price(books, k, units)
    after = position + units
    reduces = opposite and abs(units) <= abs(position)
    if not reduces:
        micro = books[k, B_MICRO_PER_POINT]
        dearest = max(price, books[k, B_ASK]) * micro
        larger = max(abs(after), abs(units))
        if larger > MAX_UNITS or larger > MAX_VALUE // dearest:
            _cancel(account, canceled, order, CANCELED_TOO_LARGE)
            return
        margin = core_margin_used(books)
        bid, ask, rate = books[k, B_BID], books[k, B_ASK], books[k, B_MARGIN_PPM]
        margin -= _margin_of(position, bid, ask, micro, rate)
        margin += _margin_of(after, bid, ask, micro, rate)
        if margin > core_equity(account, books):
            _cancel(account, canceled, order, CANCELED_INSUFFICIENT_MARGIN)
            return
    _fill(account, books, k, order, time_ns, units, price, REASON_MARKET, fills)
    if reduces:
        return
    books[k, B_ORDER] = order
    if opposite:
        books[k, B_STOP] = 0
        books[k, B_TARGET] = 0
    direction = 1 if after > 0 else -1
    if waiting[P_STOP_DISTANCE] > 0:
        books[k, B_STOP] = max(0, price - direction * waiting[P_STOP_DISTANCE])
        books[k, B_STOP_ORDER] = order
    if waiting[P_TARGET_DISTANCE] > 0:
        books[k, B_TARGET] = max(0, price + direction * waiting[P_TARGET_DISTANCE])
        books[k, B_TARGET_ORDER] = order


@borrowing
def _check_exits(
    account: Ints,
    books: Ints,
    k: int,
    time_ns: int,
    fills: Ints,
) -> None:
    """Close at the present quote if it has reached the stop or the target."""
    units, stop, target = books[k, B_UNITS], books[k, B_STOP], books[k, B_TARGET]
    if units > 0:
        bid = books[k, B_BID]
        if stop != 0 and bid <= stop:
            price = _market_price(books, k, -units)
            _fill(account, books, k, books[k, B_STOP_ORDER], time_ns, -units, price, REASON_STOP_LOSS, fills)
        elif target != 0 and bid >= target:
            order = books[k, B_TARGET_ORDER]
            _fill(account, books, k, order, time_ns, -units, bid, REASON_TAKE_PROFIT, fills)
    elif units < 0:
        ask = books[k, B_ASK]
        if stop != 0 and ask >= stop:
            price = _market_price(books, k, -units)
            _fill(account, books, k, books[k, B_STOP_ORDER], time_ns, -units, price, REASON_STOP_LOSS, fills)
        elif target != 0 and ask <= target:
            order = books[k, B_TARGET_ORDER]
            _fill(account, books, k, order, time_ns, -units, ask, REASON_TAKE_PROFIT, fills)


@borrowing_inline
def _near_close_out(account: Ints, books: Ints) -> Any:
    """Whether equity at mid may be half the margin used or less: a float estimate that errs towards yes."""
    equity_doubled = 2 * account[A_BALANCE]
    margin = 0.0
    held = False
    for k in range(books.shape[0]):
        units = books[k, B_UNITS]
        if units != 0:
            held = True
            value_doubled = units * (books[k, B_BID] + books[k, B_ASK]) * books[k, B_MICRO_PER_POINT]
            equity_doubled += value_doubled - 2 * books[k, B_COST]
            margin += abs(float(value_doubled)) * books[k, B_MARGIN_PPM] * 0.5e-6
    return held and float(equity_doubled) <= margin * 1.000001 + 1000.0


@borrowing
def _close_out(account: Ints, books: Ints, time_ns: int, fills: Ints) -> None:
    """Close everything at the last quotes when equity at mid is half the margin used or less."""
    equity_doubled = 2 * account[A_BALANCE]
    for k in range(books.shape[0]):
        value_doubled = books[k, B_UNITS] * (books[k, B_BID] + books[k, B_ASK]) * books[k, B_MICRO_PER_POINT]
        equity_doubled += value_doubled - 2 * books[k, B_COST]
    if equity_doubled > core_margin_used(books):
        return
    for k in range(books.shape[0]):
        units = books[k, B_UNITS]
        if units != 0:
            price = _market_price(books, k, -units)
            order = books[k, B_ORDER]
            _fill(account, books, k, order, time_ns, -units, price, REASON_MARGIN_CLOSEOUT, fills)


@borrowing_inline
def _at_exit(books: Ints, k: int, bid: int, ask: int) -> Any:
    """Whether a quote has reached the stop or the target."""
    units, stop, target = books[k, B_UNITS], books[k, B_STOP], books[k, B_TARGET]
    long = units > 0 and ((stop != 0 and bid <= stop) or (target != 0 and bid >= target))
    short = units < 0 and ((stop != 0 and ask >= stop) or (target != 0 and ask <= target))
    return long or short


@borrowing
def _quote_events(
    account: Ints, books: Ints, k: int, time_ns: int, pending: Ints, fills: Ints, canceled: Ints
) -> None:
    """What a quote does: the stop or target it has reached, then the orders that wait for it."""
    _check_exits(account, books, k, time_ns, fills)
    kept = 0
    for row in range(account[A_PENDING]):
        if pending[row, P_BOOK] == k:
            _execute(account, books, time_ns, pending[row], fills, canceled)
        else:
            if kept != row:
                for column in range(PENDING_SIZE):
                    pending[kept, column] = pending[row, column]
            kept += 1
    account[A_PENDING] = kept


@borrowing_inline
def core_quote(
    account: Ints,
    books: Ints,
    k: int,
    time_ns: int,
    bid: int,
    ask: int,
    pending: Ints,
    fills: Ints,
    canceled: Ints,
    roll_ns: Ints,
    roll_days: Ints,
) -> None:
    """Take a quote of instrument `k`: rollovers, stop and target, waiting orders, close-out check."""
    rolled = account[A_ROLLED]
    if rolled < roll_ns.shape[0] and roll_ns[rolled] <= time_ns:
        core_rollovers(account, books, time_ns, roll_ns, roll_days)
    account[A_TIME] = time_ns
    books[k, B_BID] = bid
    books[k, B_ASK] = ask
    if account[A_PENDING] > 0 or _at_exit(books, k, bid, ask):
        _quote_events(account, books, k, time_ns, pending, fills, canceled)
    if _near_close_out(account, books):
        _close_out(account, books, time_ns, fills)


@borrowing_inline
def core_range(
    account: Ints,
    books: Ints,
    k: int,
    close_ns: int,
    bid_open: int,
    bid_high: int,
    bid_low: int,
    bid_close: int,
    ask_open: int,
    ask_high: int,
    ask_low: int,
    ask_close: int,
    fills: Ints,
    roll_ns: Ints,
    roll_days: Ints,
) -> None:
    """Take the rest of a bar of instrument `k` whose open was given to `core_quote`."""
    rolled = account[A_ROLLED]
    if rolled < roll_ns.shape[0] and roll_ns[rolled] < close_ns:
        core_rollovers(account, books, close_ns - 1, roll_ns, roll_days)
    account[A_TIME] = close_ns
    # the open is asked too: it can lie outside the extremes of a bar that a vendor has smoothed
    if (
        _at_exit(books, k, bid_low, ask_high)
        or _at_exit(books, k, bid_high, ask_low)
        or _at_exit(books, k, bid_open, ask_open)
    ):
        if books[k, B_UNITS] > 0:
            _range_exit(account, books, k, close_ns, bid_open, bid_low, bid_high, fills)
        else:
            _range_exit(account, books, k, close_ns, ask_open, ask_high, ask_low, fills)
    books[k, B_BID] = bid_close
    books[k, B_ASK] = ask_close
    if _near_close_out(account, books):
        _close_out(account, books, close_ns, fills)


@borrowing
def _range_exit(
    account: Ints, books: Ints, k: int, time_ns: int, first: int, worst: int, best: int, fills: Ints
) -> None:
    """Close by a level that a bar reached: `first`, `worst` and `best` price of the closing side."""
    units, stop, target = books[k, B_UNITS], books[k, B_STOP], books[k, B_TARGET]
    sign = 1 if units > 0 else -1  # with it a stop lies below and a target above, for shorts too
    stop_at_open = stop != 0 and sign * first <= sign * stop
    target_at_open = target != 0 and sign * first >= sign * target
    stopped = stop != 0 and sign * worst <= sign * stop
    reached = target != 0 and sign * best >= sign * target
    if stop_at_open or (stopped and not target_at_open):
        if reached and not stop_at_open:
            account[A_AMBIGUOUS] += 1
        level = first if stop_at_open else stop
        price = max(1, level - sign * books[k, B_SLIPPAGE])
        _fill(account, books, k, books[k, B_STOP_ORDER], time_ns, -units, price, REASON_STOP_LOSS, fills)
    elif target_at_open or reached:
        level = first if target_at_open else target
        _fill(account, books, k, books[k, B_TARGET_ORDER], time_ns, -units, level, REASON_TAKE_PROFIT, fills)
