"""The compiled backtest of all that rules can say: the engine and the decisions, event by event.

Several instruments, finer bars or ticks to match on, every kind of order and account. At each instant first
what closes then (bars in the order of their instruments), then one round of decisions, then the quotes. It is
the replay of `workbench.research.replay` without Python between the events; the tests hold both to the same
bits.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from workbench.engine.core import (
    A_ERROR,
    A_FILLS,
    A_ROLLED,
    A_TIME,
    B_FINANCED,
    FILL_REDUCE_FIRST,
    FILL_REDUCE_ONLY,
    P_BOOK,
    P_KIND,
    P_ORDER,
    P_POSITION_FILL,
    P_PRICE,
    P_STOP_DISTANCE,
    P_STOP_PRICE,
    P_TARGET_DISTANCE,
    P_TARGET_PRICE,
    P_TRAIL_DISTANCE,
    P_UNITS,
    PENDING_SIZE,
    core_cancel,
    core_equity,
    core_ladder,
    core_no_ladder,
    core_place,
    core_position,
    core_quote,
    core_range,
    ensure_room,
    pending_room,
    trades_room,
)
from workbench.indicators.compiled import borrowing, compiled
from workbench.research.calls import COLUMN, TABLE, WHOLE, address_of, call, call_for_whole, whole_at
from workbench.strategy.decision import (
    CANCEL_ROWS,
    M_LONG,
    M_LONG_CLOSE,
    M_SHORT,
    M_SHORT_CLOSE,
    O_KIND,
    O_PRICE,
    O_REDUCE_ONLY,
    O_STOP_DISTANCE,
    O_STOP_PRICE,
    O_TARGET_DISTANCE,
    O_TARGET_PRICE,
    O_TRAILING_DISTANCE,
    O_UNITS,
    ORDER_ROWS,
    ORDER_SIZE,
    S_MAX_BARS,
    decide_bar,
)

__all__ = ["BAR_COLUMNS", "MONEY", "PATH_COLUMNS", "run_events", "step_addresses"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# of each instrument: where the columns of its path lie in memory (times of opens and closes, then bid and ask
# open, high, low, close), how many elements it has, whether they have a range, and where the sizes of bid
# and ask lie (0: any size can be had)
PATH_COLUMNS = 14
_ELEMENTS, _RANGES, _BID_SIZES, _ASK_SIZES = 10, 11, 12, 13
# where the columns of the bars decided on lie (close, closing bid and ask), how many, the first signal's row
BAR_COLUMNS = 5
_BARS, _FIRST = 3, 4
# micro-units of a point, step and minimum of units
MONEY = 3
_QUOTE, _RANGE, _EQUITY, _PLACE, _CANCEL, _DECIDE = range(6)
_ORDERS_PER_EVENT = 1_024  # as in `workbench.research.outcome`
_FAR = np.int64(1) << 62


@compiled
def run_events(
    steps: Ints,
    path: Ints,
    bars: Ints,
    money: Ints,
    bits: npt.NDArray[np.uint16],
    numbers: Floats,
    rates: Floats,
    rows: Ints,
    settings: Ints,
    amounts: Floats,
    memory: Ints,
    account: Ints,
    books: Ints,
    trades: Ints,
    fills: Ints,
    canceled: Ints,
    roll_ns: Ints,
    roll_days: Ints,
    costs: Ints,
    round_ns: Ints,
    equity: Ints,
) -> Any:
    """Trade; returns rounds, fills, their rounds, cancellations, financing (before fill, amount, book).

    Parameters
    ----------
    steps
        What `step_addresses` gives.
    path, bars, money
        ``PATH_COLUMNS``, ``BAR_COLUMNS`` and ``MONEY`` whole numbers of each instrument, in the engine's
        order. An instrument without bars is only there for its quotes.
    bits, numbers, rates
        Signals of the bars of all instruments one after the other, as `decide_bar` takes them; rates may be
        empty for 1.
    rows, settings, amounts, memory
        Of each instrument, as `decide_bar` takes them.
    round_ns, equity
        Receive the time and the equity of each round; as long as all bars together.

    Notes
    -----
    Where ``account[A_ERROR]`` is set at the end, the state is void.
    """
    n = path.shape[0]
    pending = np.zeros((16, PENDING_SIZE), np.int64)
    fill_round = np.zeros(fills.shape[0], np.int64)
    bookings = np.zeros((64, 3), np.int64)
    booked = 0
    orders = np.zeros((ORDER_ROWS + 1, ORDER_SIZE), np.int64)
    cancels = np.zeros(CANCEL_ROWS + 1, np.int64)
    order = np.zeros(PENDING_SIZE, np.int64)
    financed = np.zeros(n, np.int64)
    rolled = account[A_ROLLED]
    at = np.zeros(n, np.int64)  # element of the path to come, or in progress
    inside = np.zeros(n, np.bool_)  # its first quote was taken, its range was not
    bar = np.zeros(n, np.int64)  # bar to be decided on next
    due = np.zeros(n, np.int64)  # when the next element opens or the one in progress closes
    ends = np.zeros(n, np.int64)  # when the next bar closes
    for k in range(n):
        due[k] = whole_at(path[k, 0], 0) if path[k, _ELEMENTS] > 0 else _FAR
        ends[k] = whole_at(bars[k, 0], 0) if bars[k, _BARS] > 0 else _FAR
    rounds = 0
    while True:
        now, round_now = _FAR, _FAR
        for k in range(n):
            now = min(now, due[k])
            round_now = min(round_now, ends[k])
        now = min(now, round_now)
        if now == _FAR:
            break
        for part in range(2):  # ranges that close now, a round of decisions, quotes of now
            for k in range(n):
                while due[k] == now and inside[k] == (part == 0):
                    before = account[A_FILLS]
                    fills = ensure_room(account, pending, books, fills)
                    trades = trades_room(account, pending, trades)
                    canceled = pending_room(account, canceled)
                    i = at[k]
                    if part == 0:
                        call(
                            steps[_RANGE],
                            (
                                account,
                                books,
                                k,
                                whole_at(path[k, 0], i),
                                now,
                                whole_at(path[k, 2], i),
                                whole_at(path[k, 3], i),
                                whole_at(path[k, 4], i),
                                whole_at(path[k, 5], i),
                                whole_at(path[k, 6], i),
                                whole_at(path[k, 7], i),
                                whole_at(path[k, 8], i),
                                whole_at(path[k, 9], i),
                                pending,
                                trades,
                                fills,
                                canceled,
                                roll_ns,
                                roll_days,
                                costs,
                            ),
                        )
                    else:
                        if path[k, _BID_SIZES] != 0:
                            _offer(account, books, k, path, i)
                        call(
                            steps[_QUOTE],
                            (
                                account,
                                books,
                                k,
                                now,
                                whole_at(path[k, 2], i),
                                whole_at(path[k, 6], i),
                                pending,
                                trades,
                                fills,
                                canceled,
                                roll_ns,
                                roll_days,
                                costs,
                            ),
                        )
                    if account[A_ERROR] != 0:
                        return rounds, fills, fill_round, canceled, bookings[:booked]
                    if account[A_ROLLED] != rolled:
                        rolled = account[A_ROLLED]
                        if booked + n > bookings.shape[0]:
                            larger = np.zeros((2 * (booked + n), 3), np.int64)
                            larger[:booked] = bookings[:booked]
                            bookings = larger
                        for book in range(n):
                            if books[book, B_FINANCED] != financed[book]:
                                bookings[booked, 0] = before
                                bookings[booked, 1] = books[book, B_FINANCED] - financed[book]
                                bookings[booked, 2] = book
                                financed[book] = books[book, B_FINANCED]
                                booked += 1
                    if fill_round.shape[0] < fills.shape[0]:
                        grown = np.zeros(fills.shape[0], np.int64)
                        grown[: fill_round.shape[0]] = fill_round
                        fill_round = grown
                    for row in range(before, account[A_FILLS]):
                        fill_round[row] = rounds
                    if part == 1 and path[k, _RANGES] != 0:
                        inside[k] = True
                        due[k] = whole_at(path[k, 1], i)
                    else:
                        inside[k] = False
                        at[k] = i + 1
                        due[k] = whole_at(path[k, 0], i + 1) if i + 1 < path[k, _ELEMENTS] else _FAR
            if part == 0 and round_now == now:
                value = call_for_whole(steps[_EQUITY], (account, books, trades))
                if account[A_ERROR] != 0:
                    return rounds, fills, fill_round, canceled, bookings[:booked]
                round_ns[rounds] = now
                equity[rounds] = value
                first_key = np.int64(2 * rounds + 2) * _ORDERS_PER_EVENT
                for k in range(n):
                    if ends[k] != now:
                        continue
                    i = bar[k]
                    row = bars[k, _FIRST] + i
                    if bits[row] != 0 or not _sleeps(memory[k], settings[k]):
                        answer = call_for_whole(
                            steps[_DECIDE],
                            (
                                np.int64(bits[row]),
                                numbers,
                                row,
                                rows[k],
                                settings[k],
                                amounts[k],
                                whole_at(bars[k, 1], i),
                                whole_at(bars[k, 2], i),
                                core_position(account, books, k),
                                value,
                                money[k, 0],
                                rates[row] if rates.shape[0] > 0 else 1.0,
                                money[k, 1],
                                money[k, 2],
                                memory[k],
                                first_key,
                                orders,
                                cancels,
                            ),
                        )
                        count, dropped = answer // 256, answer % 256
                        account[A_TIME] = now  # latency counts from the decision, not from the last tick
                        for place in range(dropped):
                            call_for_whole(steps[_CANCEL], (account, pending, cancels[place]))
                        for place in range(count):
                            pending = pending_room(account, pending)
                            canceled = pending_room(account, canceled)
                            _order_row(orders[place], first_key + place, k, order)  # type: ignore[arg-type]
                            call(steps[_PLACE], (account, books, pending, order))
                        first_key += count
                    bar[k] = i + 1
                    ends[k] = whole_at(bars[k, 0], i + 1) if i + 1 < bars[k, _BARS] else _FAR
                rounds += 1
    return rounds, fills, fill_round, canceled, bookings[:booked]


@borrowing
def _offer(account: Ints, books: Ints, k: int, path: Ints, i: int) -> None:
    """The sizes of the quote to come; a size of 0 is not known, so any can be had."""
    core_no_ladder(books, k)
    bids, asks = whole_at(path[k, _BID_SIZES], i), whole_at(path[k, _ASK_SIZES], i)
    if bids > 0:
        core_ladder(account, books, k, 0, 0, whole_at(path[k, 2], i), bids)
    if asks > 0:
        core_ladder(account, books, k, 1, 0, whole_at(path[k, 6], i), asks)


@borrowing
def _sleeps(memory: Ints, settings: Ints) -> bool:
    """Whether a bar without any signal changes nothing: no order waits and no time exit is declared."""
    return bool(
        settings[S_MAX_BARS] == 0
        and memory[M_LONG] == 0
        and memory[M_LONG_CLOSE] == 0
        and memory[M_SHORT] == 0
        and memory[M_SHORT_CLOSE] == 0
    )


@borrowing
def _order_row(decided: Ints, key: int, k: int, order: Ints) -> None:
    """A decided order as the engine takes it."""
    order[:] = 0
    order[P_ORDER] = key
    order[P_BOOK] = k
    order[P_UNITS] = decided[O_UNITS]
    order[P_KIND] = decided[O_KIND]
    order[P_PRICE] = decided[O_PRICE]
    order[P_POSITION_FILL] = FILL_REDUCE_ONLY if decided[O_REDUCE_ONLY] != 0 else FILL_REDUCE_FIRST
    order[P_STOP_DISTANCE] = decided[O_STOP_DISTANCE]
    order[P_TARGET_DISTANCE] = decided[O_TARGET_DISTANCE]
    order[P_TRAIL_DISTANCE] = decided[O_TRAILING_DISTANCE]
    order[P_STOP_PRICE] = decided[O_STOP_PRICE]
    order[P_TARGET_PRICE] = decided[O_TARGET_PRICE]


@borrowing
def _decide_step(
    bits: int,
    numbers: Floats,
    at: int,
    rows: Ints,
    settings: Ints,
    amounts: Floats,
    bid: int,
    ask: int,
    position: int,
    equity: int,
    micro_per_point: int,
    rate: float,
    unit_step: int,
    minimum_units: int,
    memory: Ints,
    first_key: int,
    orders: Ints,
    cancels: Ints,
) -> int:
    """`decide_bar`, both counts in one number."""
    count, dropped = decide_bar(
        bits, numbers, at, rows, settings, amounts, bid, ask, position, equity, micro_per_point, rate,
        unit_step, minimum_units, memory, first_key, orders, cancels,
    )  # fmt: skip
    return count * 256 + dropped


def step_addresses() -> Ints:
    """Where the engine's steps and the decision lie, for `run_events`."""
    state = (COLUMN, TABLE)
    rest = (TABLE, TABLE, TABLE, TABLE, COLUMN, TABLE, TABLE)  # pending ... costs
    floats, table = types.float64[::1], types.float64[:, ::1]
    return np.array(
        [
            address_of(core_quote, *state, *(4 * (WHOLE,)), *rest),
            address_of(core_range, *state, *(11 * (WHOLE,)), *rest),
            address_of(core_equity, *state, TABLE),
            address_of(core_place, *state, TABLE, COLUMN),
            address_of(core_cancel, COLUMN, TABLE, WHOLE),
            address_of(
                _decide_step,
                *(WHOLE, table, WHOLE, COLUMN, COLUMN, floats, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE),
                *(types.float64, WHOLE, WHOLE, COLUMN, WHOLE, TABLE, COLUMN),
            ),
        ],
        np.int64,
    )
