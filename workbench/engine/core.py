"""The compiled core: order matching, costs, margin and financing on whole numbers.

The one implementation behind backtest, replay and paper trading. All state is int64: prices in points,
quantities in units, money in micro-units, costs and proceeds in the quote currency of the instrument, the
balance and all that is booked in the account's. Nothing is a float but filters that decide whether an exact
check is needed.

State
-----
``account``  int64[ACCOUNT_SIZE], see ``A_...``: the balance, what was paid, the clock, counters, settings.
``books``    int64[n_instruments, BOOK_SIZE], see ``B_...``: the position, its exits, the last quote with
             its sizes, the way of conversion and the costs of each instrument.
``pending``  int64[capacity, PENDING_SIZE], see ``P_...``: orders that wait, as they were submitted;
             ``account[A_PENDING]`` rows are in use.
``trades``   int64[capacity, TRADE_SIZE]: the trades of a hedging or FIFO account, the oldest first;
             ``account[A_TRADES]`` rows are in use, none in a netting account.
``fills``    int64[capacity, FILL_SIZE], see ``F_...``; ``account[A_FILLS]`` rows are in use.
``canceled`` int64[capacity, CANCELED_SIZE], see ``C_...``; ``account[A_CANCELED]`` rows are in use.
``roll_ns``, ``roll_days``  int64[r] and int64[r, n_instruments]: the rollovers of the whole period in
             order and the days that each instrument is charged; ``account[A_ROLLED]`` counts those done.
``costs``    int64[m, COST_SIZE]: dated changes of costs, in order; each takes effect at an instant of
             ``roll_ns``.

`workbench.engine.layout` names the columns, `workbench.engine.accounts` makes books and tables.

How to drive it
---------------
In order of time, for each bar::

    fills = ensure_room(account, pending, books, fills)       # keeps, or doubles, the buffer
    trades = trades_room(account, trades)
    core_quote(account, books, k, open_ns, bid_open, ask_open, pending, trades, fills, canceled,
               roll_ns, roll_days, costs)                     # the first quote of the bar
    core_range(account, books, k, open_ns, close_ns, bid_open, bid_high, bid_low, bid_close, ask_open,
               ask_high, ask_low, ask_close, pending, trades, fills, canceled, roll_ns, roll_days, costs)
    ... account[A_ERROR] is 0, or the state is void ...
    equity = core_equity(account, books, trades)
    pending, canceled = pending_room(account, pending), pending_room(account, canceled)
    core_submit(...) or core_place(...), core_replace(...), core_cancel(...), core_change_exits(...)

or ``core_quote`` alone on ticks, after `core_ladder` for a quote with sizes. Room for fills is asked before
the range too. Rows of ``fills`` and ``canceled`` stay until the caller sets ``account[A_FILLS]`` or
``account[A_CANCELED]`` to 0. An order key is any number above 0 that the caller can turn into a client order
id; the fill of an exit carries the key of the order that set it.

Rules
-----
Sides      A buy fills at the ask, a sell at the bid. Market orders, stops, trailing stops and close-outs
           pay slippage on top: points, and a share of the spread rounded up. Limits and targets do not.
Holdings   Netting: one position an instrument. Hedging and FIFO: trades; an order opens at most one and
           its later fills add to it while it lasts.
Quote      In this order: rollovers up to and including its time, each at the last mid seen before; costs
           that change then; orders whose time is up; the exits of what is held, at the quote: stop,
           trailing stop, target; trailing stops follow; the waiting orders of the instrument as they
           came, each from its submission plus the latency on; the close-out check.
Triggers   A limit is reached when the price is its level or better, a stop when it is its level or worse;
           the ask counts for buys and the bid for sells, or what the order says. A limit fills only
           where the natural side is at its level or better too. An order if touched is a limit if the
           price was at or beyond its level on the far side when it came (at its first quote if there was
           none), else a stop. The fill is at the quote.
Sizes      A quote may carry the units on offer at each price. An order takes them from the best price on,
           one fill for each, and leaves the rest to the next order. FOK fills whole or not at all, IOC what
           it can get at its first quote; others wait on with their rest. A price bound keeps the levels
           beyond it away: with FOK all is dropped, else the rest. Exits take what is there, and what
           stays held is tested again by the next quote. Within a bar any size is done.
Range      The bar's extremes after its first quote; fills carry its close as their time, when they are
           known. Rollovers strictly inside come first, those at its close wait for the next quote; an
           order that ends inside the bar has no part in it.
           What is held: a level that the open has already passed fills at the open; then the stop or the
           trailing stop, the nearer one, at its level; then the target, at its level. A bar that
           reaches both counts in ``account[A_AMBIGUOUS]`` and is taken as the stop. Then the trailing stop
           follows the bar's best price; if the close lies beyond it, it fills at its level.
           Orders that have waited since the open or before, as they came: at their level, or at the open
           if that has passed it. A stop that watches the other side of the market (or mid) fills at its
           level moved to its own side by the spread of the open.
           The exits of an order that filled within the bar are tested against the same bar: the stop
           fills if the adverse extreme has reached it (counted as ambiguous if the entry was a stop), else
           the target if that is certain: the entry was a stop and the bar reached the target, or the
           close lies beyond it. Its trailing stop follows the close only.
Netting    Adding sums the cost, reducing takes the proportional part of it, rounded half to even once;
           what is rounded off stays in the cost, so the profits booked until the holding is closed sum
           exactly to proceeds less cost. Trades are booked the same way.
Opening    Netting and FIFO reduce first, hedging opens, unless the order says otherwise. Reducing takes the
           oldest trade first. An order to reduce only is cut to what there is to close. An order may name
           the trade it closes; in a FIFO account that must be the oldest, or the oldest of its size
           and closed whole.
Exits      Belong to the holding. An order that opens or adds replaces those that it brings; one that turns
           the position starts without the old ones; one that reduces leaves them. Distances count from
           the fill's price, that of the trailing stop from the best price of the closing side since.
           They can be changed while it is held; a trailing stop then starts at the present closing side.
Replacing  Takes a waiting order back and adds another at the end of the queue, with the latency of a new
           one; where the old one does not wait any more, the new one is dropped.
Conversion Profit goes from the quote to the account's currency over a pair of the two or through USD:
           gains at the price at which they can be sold, losses at that at which they must be bought, the
           mark-up on top, one rounding half to even for each booking. Mid is for margin and close-out.
           A pair that is needed and has no quote yet makes the state void.
Commission Parts per million of the value, or an amount a lot; an order pays at least the minimum. An exit is
           an order of its own.
Financing  At each rollover: an annual rate of the value at mid, points, or an amount a lot.
Margin     Sum over instruments of ``|units| * mid * margin rate``, each rounded half to even; where longs
           and shorts are held: both, the larger side, or the difference. An order that opens is dropped
           if the margin after it exceeded the equity before it. Equity at mid at or below the margin is a
           margin call, counted when it begins; at or below the given share of it (one half) everything is
           closed at the market, or the largest loss first until it is above again.
Limits     A position above `MAX_UNITS` units or `MAX_VALUE` micro-units is not opened, so no product
           overflows.
"""

from typing import Any

import numpy as np

from workbench.engine import layout
from workbench.engine.arithmetic import divide_half_even, scale_half_even
from workbench.engine.booking import close_holding, drop_trade
from workbench.engine.exits import at_exit, quote_exits, range_exits
from workbench.engine.exits import change_exits as core_change_exits
from workbench.engine.layout import *  # noqa: F403
from workbench.engine.layout import (
    A_BALANCE,
    A_CALLED,
    A_CALLS,
    A_CANCELED,
    A_CLOSEOUT_POLICY,
    A_CLOSEOUT_PPM,
    A_CONVERTS,
    A_ERROR,
    A_FILLS,
    A_LADDERS,
    A_MODE,
    A_NEXT_EXPIRY,
    A_PENDING,
    A_ROLLED,
    A_TIME,
    A_TRADES,
    B_ASK,
    B_ASKS,
    B_BID,
    B_BIDS,
    B_COST,
    B_LADDER,
    B_MARGIN_PPM,
    B_MICRO_PER_POINT,
    B_ORDER,
    B_TRAIL,
    B_UNITS,
    CLOSEOUT_ALL,
    LEVELS,
    MODE_NETTING,
    PPM,
    REASON_MARGIN_CLOSEOUT,
    T_BOOK,
    Int,
    Ints,
)
from workbench.engine.money import (
    core_equity,
    core_margin_used,
    core_position,
    core_rollovers,
    core_summary,
    core_unrealized,
    doubled_mid_equity,
    holding_profit,
    in_account_currency,
)
from workbench.engine.orders import (
    core_cancel,
    core_cancel_book,
    core_expire,
    core_place,
    core_replace,
    core_submit,
    quote_orders,
    range_orders,
)
from workbench.indicators.compiled import borrowing, borrowing_inline, compiled, compiled_inline, stays_apart

__all__ = [
    "core_cancel",
    "core_cancel_book",
    "core_change_exits",
    "core_equity",
    "core_ladder",
    "core_margin_used",
    "core_no_ladder",
    "core_place",
    "core_position",
    "core_quote",
    "core_range",
    "core_replace",
    "core_rollovers",
    "core_submit",
    "core_summary",
    "core_unrealized",
    "divide_half_even",
    "ensure_room",
    "grown",
    "in_account_currency",
    "pending_room",
    "scale_half_even",
    "trades_room",
]
__all__ += layout.__all__


@compiled_inline
def pending_room(account: Ints, rows: Ints) -> Ints:
    """`rows` (of pending or canceled) with room for two more orders, grown when it has not."""
    needed = account[A_PENDING] + account[A_CANCELED] + 2
    return rows if needed <= rows.shape[0] else grown(rows, needed)


@compiled_inline
def trades_room(account: Ints, pending: Ints, trades: Ints) -> Ints:
    """`trades` with room for all that one quote and range can open, grown when it has not."""
    if account[A_MODE] == MODE_NETTING:
        return trades
    needed = account[A_TRADES] + account[A_PENDING] + 1
    return trades if needed <= trades.shape[0] else grown(trades, needed)


@compiled_inline
def ensure_room(account: Ints, pending: Ints, books: Ints, fills: Ints) -> Ints:
    """`fills` with room for all that one quote and range can fill, grown when it has not."""
    needed = account[A_FILLS] + 2 * account[A_PENDING] + 3 * books.shape[0] + 2
    if account[A_TRADES] > 0 or account[A_MODE] != MODE_NETTING or account[A_LADDERS] != 0:
        events = 2 * (account[A_PENDING] + account[A_TRADES] + books.shape[0] + 1)
        needed += events * (2 * LEVELS if account[A_LADDERS] != 0 else 2)
    return fills if needed <= fills.shape[0] else grown(fills, needed)


@compiled
def grown(rows: Ints, needed: int) -> Ints:
    """A copy of `rows` with room for twice what is needed."""
    stays_apart()
    copy = np.zeros((2 * needed, rows.shape[1]), np.int64)
    copy[: rows.shape[0]] = rows
    return copy


@borrowing
def core_no_ladder(books: Ints, k: int) -> None:
    """Any size can be had at the best prices of instrument `k`."""
    books[k, B_BIDS] = 0
    books[k, B_ASKS] = 0


@borrowing
def core_ladder(account: Ints, books: Ints, k: int, asks: int, level: int, price: int, units: int) -> None:
    """Set a level of the bid (`asks` 0) or ask (1) of the quote to come; levels from 0, the best, on."""
    column = B_LADDER + 2 * level + (2 * LEVELS if asks != 0 else 0)
    books[k, column] = price
    books[k, column + 1] = units
    books[k, B_ASKS if asks != 0 else B_BIDS] = level + 1
    account[A_LADDERS] = 1


@borrowing_inline
def core_quote(
    account: Ints,
    books: Ints,
    k: int,
    time_ns: int,
    bid: int,
    ask: int,
    pending: Ints,
    trades: Ints,
    fills: Ints,
    canceled: Ints,
    roll_ns: Ints,
    roll_days: Ints,
    costs: Ints,
) -> None:
    """Take a quote of instrument `k`: rollovers, expiries, exits, waiting orders, close-out check."""
    rolled = account[A_ROLLED]
    if rolled < roll_ns.shape[0] and roll_ns[rolled] <= time_ns:
        core_rollovers(account, books, trades, time_ns, roll_ns, roll_days, costs)
    if account[A_NEXT_EXPIRY] <= time_ns:
        core_expire(account, pending, canceled, time_ns)
    account[A_TIME] = time_ns
    books[k, B_BID] = bid
    books[k, B_ASK] = ask
    if (
        account[A_PENDING] > 0
        or at_exit(books, k, bid, ask)
        or books[k, B_TRAIL] != 0
        or account[A_TRADES] > 0
    ):
        _quote_events(account, books, trades, k, time_ns, pending, fills, canceled)
    if _near_call(account, books):
        _check_margin(account, books, trades, time_ns, fills)
    elif account[A_CALLED] != 0:
        account[A_CALLED] = 0


@borrowing
def _quote_events(
    account: Ints, books: Ints, trades: Ints, k: int, time_ns: int, pending: Ints, fills: Ints, canceled: Ints
) -> None:
    """What a quote does: the exits it has reached, then the orders that wait for it."""
    stays_apart()
    quote_exits(account, books, trades, k, time_ns, fills)
    if account[A_PENDING] > 0:
        quote_orders(account, books, trades, k, time_ns, pending, fills, canceled)


@borrowing_inline
def core_range(
    account: Ints,
    books: Ints,
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
    trades: Ints,
    fills: Ints,
    canceled: Ints,
    roll_ns: Ints,
    roll_days: Ints,
    costs: Ints,
) -> None:
    """Take the rest of a bar of instrument `k` whose open was given to `core_quote`."""
    rolled = account[A_ROLLED]
    if rolled < roll_ns.shape[0] and roll_ns[rolled] < close_ns:
        core_rollovers(account, books, trades, close_ns - 1, roll_ns, roll_days, costs)
    if account[A_NEXT_EXPIRY] < close_ns:
        core_expire(account, pending, canceled, close_ns - 1)
    account[A_TIME] = close_ns
    # the open is asked too: it can lie outside the extremes of a bar that a vendor has smoothed
    if (
        at_exit(books, k, bid_low, ask_high)
        or at_exit(books, k, bid_high, ask_low)
        or at_exit(books, k, bid_open, ask_open)
        or books[k, B_TRAIL] != 0
        or account[A_TRADES] > 0
    ):
        range_exits(
            account,
            books,
            trades,
            k,
            close_ns,
            bid_open,
            bid_high,
            bid_low,
            bid_close,
            ask_open,
            ask_high,
            ask_low,
            ask_close,
            fills,
        )
    if account[A_PENDING] > 0:
        range_orders(
            account,
            books,
            trades,
            k,
            open_ns,
            close_ns,
            bid_open,
            bid_high,
            bid_low,
            bid_close,
            ask_open,
            ask_high,
            ask_low,
            ask_close,
            pending,
            fills,
            canceled,
        )
    books[k, B_BID] = bid_close
    books[k, B_ASK] = ask_close
    if account[A_LADDERS] != 0:
        core_no_ladder(books, k)
    if _near_call(account, books):
        _check_margin(account, books, trades, close_ns, fills)
    elif account[A_CALLED] != 0:
        account[A_CALLED] = 0


@borrowing_inline
def _near_call(account: Ints, books: Ints) -> Any:
    """Whether equity at mid may be the margin used or less: a float estimate that errs towards yes."""
    if account[A_CONVERTS] != 0 or account[A_TRADES] > 0:
        return True
    equity_doubled = 2 * account[A_BALANCE]
    margin = 0.0
    held = False
    for k in range(books.shape[0]):
        units = books[k, B_UNITS]
        if units != 0:
            held = True
            value_doubled = units * (books[k, B_BID] + books[k, B_ASK]) * books[k, B_MICRO_PER_POINT]
            equity_doubled += value_doubled - 2 * books[k, B_COST]
            margin += abs(float(value_doubled)) * books[k, B_MARGIN_PPM] * 1e-6
    # the close-out lies below the call unless the account closes out above it
    share = max(1.0, account[A_CLOSEOUT_PPM] * 1e-6)
    return held and float(equity_doubled) <= share * margin * 1.000001 + 1000.0


@borrowing
def _check_margin(account: Ints, books: Ints, trades: Ints, time_ns: int, fills: Ints) -> None:
    """Count a margin call that begins; close out when equity at mid is too small a part of the margin."""
    stays_apart()
    if not _holds(account, books):
        account[A_CALLED] = 0
        return
    margin = core_margin_used(account, books)
    equity = doubled_mid_equity(account, books, trades)
    called = 1 if equity <= 2 * margin else 0
    if called > account[A_CALLED]:
        account[A_CALLS] += 1
    account[A_CALLED] = called
    if account[A_ERROR] != 0 or equity > _close_out_level(account, margin):
        return
    if account[A_CLOSEOUT_POLICY] == CLOSEOUT_ALL:
        _close_all(account, books, trades, time_ns, fills)
    else:
        _close_losses(account, books, trades, time_ns, fills)


@borrowing
def _holds(account: Ints, books: Ints) -> Any:
    if account[A_TRADES] > 0:
        return True
    held = False
    for k in range(books.shape[0]):
        held = held or books[k, B_UNITS] != 0
    return held


@borrowing
def _close_out_level(account: Ints, margin: int) -> Int:
    """Twice the equity at or below which the account is closed out."""
    whole = 2 * margin // PPM
    return whole * account[A_CLOSEOUT_PPM] + (2 * margin - whole * PPM) * account[A_CLOSEOUT_PPM] // PPM


@borrowing
def _close_all(account: Ints, books: Ints, trades: Ints, time_ns: int, fills: Ints) -> None:
    stays_apart()
    for k in range(books.shape[0]):
        if books[k, B_UNITS] != 0:
            _close(account, books, books, k, k, time_ns, fills)
        row = 0
        while row < account[A_TRADES]:
            if trades[row, T_BOOK] == k:
                _close(account, books, trades, row, k, time_ns, fills)
            if trades[row, B_UNITS] == 0:
                drop_trade(account, trades, row)
            else:
                row += 1


@borrowing
def _close_losses(account: Ints, books: Ints, trades: Ints, time_ns: int, fills: Ints) -> None:
    """Close the largest loss, and the next, until the equity is above the close-out level."""
    stays_apart()
    netting = account[A_MODE] == MODE_NETTING
    rows = books if netting else trades
    while True:
        margin = core_margin_used(account, books)
        equity = doubled_mid_equity(account, books, trades)
        if not _holds(account, books) or equity > _close_out_level(account, margin):
            return
        largest, lowest = -1, 0
        for k in range(books.shape[0]):
            for row in range(account[A_TRADES] if not netting else k + 1):
                if rows[row, B_UNITS] == 0 or (row != k if netting else rows[row, T_BOOK] != k):
                    continue
                profit = in_account_currency(account, books, k, holding_profit(books, k, rows, row))
                if largest < 0 or profit < lowest:
                    largest, lowest = row, profit
        before = account[A_FILLS]
        k = largest if netting else rows[largest, T_BOOK]
        _close(account, books, rows, largest, k, time_ns, fills)
        if not netting and rows[largest, B_UNITS] == 0:
            drop_trade(account, trades, largest)
        if account[A_FILLS] == before:  # nobody takes it at this quote
            return


@borrowing
def _close(account: Ints, books: Ints, rows: Ints, holding: int, k: int, time_ns: int, fills: Ints) -> None:
    stays_apart()
    order = rows[holding, B_ORDER]
    close_holding(account, books, rows, holding, k, order, time_ns, 0, 0, REASON_MARGIN_CLOSEOUT, fills)
