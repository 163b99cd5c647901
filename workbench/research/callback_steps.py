"""The compiled part of a run of a strategy in Python: the engine takes an element, and skips to the next.

Everything it works on is told by one array, the frame, as addresses: what Numba asks for each array that is
handed over from Python costs more than a step of the engine.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workbench.engine import core
from workbench.indicators.compiled import compiled
from workbench.research.calls import call, whole_at
from workbench.research.plain_steps import margin_levels

__all__ = ["advance", "catch_up", "new_frame", "set_table"]

Ints = npt.NDArray[np.int64]

# where it stands: the first element that the engine has not seen, the one it takes, the first of which the
# equity is not written, how many orders are handed in before, and how many fills are kept
(FIRST, AT, NOTED, ORDERS, KEPT) = range(5)
# of each array its address, rows and columns
(PATH, STEPS, ACCOUNT, BOOKS, PENDING, TRADES, FILLS, CANCELED, ROLL_NS, ROLL_DAYS, COSTS, ROLL_AT) = range(
    5, 41, 3
)
(EQUITY, TABLE, KEPT_FILLS, KEPT_AT) = range(41, 53, 3)
# what came of it: the next element that the engine must see, and the state after
(
    LOUD,
    ERROR,
    CANCELED_COUNT,
    BALANCE,
    UNITS,
    COST,
    PAID_AT_OPEN,  # financing booked with the opening quote
    FILLS_AT_OPEN,
    PAID,
    FILLED,  # fills of this element, added to those kept
    WAITING,
) = range(53, 64)
RESULTS = LOUD
_SIZE = 64

_make_intrinsic: Any = intrinsic
_types: Any = types
_array_at: Any = numba.carray  # type: ignore[attr-defined]  # numba has no types


@_make_intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _pointer(_typing: Any, address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return _types.voidptr(_types.int64), generate


@compiled
def _column(frame: Ints, name: int) -> Ints:
    return _array_at(_pointer(frame[name]), (frame[name + 1],), np.int64)  # type: ignore[no-any-return]


@compiled
def _table(frame: Ints, name: int) -> Ints:
    return _array_at(_pointer(frame[name]), (frame[name + 1], frame[name + 2]), np.int64)  # type: ignore[no-any-return]


def new_frame() -> Ints:
    """A frame without arrays."""
    return np.zeros(_SIZE, np.int64)


def set_table(frame: Ints, name: int, array: Ints) -> None:
    """Tell where an array lies; who sets it keeps it alive.

    Raises
    ------
    ValueError
        Not whole numbers row after row.
    """
    if array.dtype != np.int64 or not array.flags.c_contiguous:
        raise ValueError(f"expected contiguous int64, found {array.dtype} with strides {array.strides}")
    frame[name], frame[name + 1] = array.ctypes.data, array.shape[0]
    frame[name + 2] = array.shape[1] if array.ndim == 2 else 1


@compiled
def catch_up(path: Ints, first: int, stop: int, account: Ints, books: Ints) -> None:
    """Take over the prices of elements `first` to `stop` (exclusive), in which nothing happened."""
    if stop <= first:
        return
    if books[0, core.B_TRAIL] != 0:
        best = books[0, core.B_TRAIL_BEST]
        for i in range(first, stop):
            if books[0, core.B_UNITS] > 0:
                best = max(best, whole_at(path[2], i), whole_at(path[3], i))
            else:
                best = min(best, whole_at(path[6], i), whole_at(path[8], i))
        books[0, core.B_TRAIL_BEST] = best
    books[0, core.B_BID] = whole_at(path[5], stop - 1)
    books[0, core.B_ASK] = whole_at(path[9], stop - 1)
    account[core.A_TIME] = whole_at(path[1], stop - 1)


@compiled
def _next_loud(path: Ints, at: int, count: int, roll_at: Ints, account: Ints, books: Ints) -> int:
    """The next element after `at` that the engine must see."""
    if account[core.A_PENDING] > 0 or account[core.A_CALLED] != 0:
        return at + 1
    units = books[0, core.B_UNITS]
    if units == 0:
        return count
    rolled = account[core.A_ROLLED]
    stop = min(count, roll_at[rolled]) if rolled < roll_at.shape[0] else count
    least, most = margin_levels(
        account[core.A_BALANCE],
        units,
        books[0, core.B_COST],
        books[0, core.B_MICRO_PER_POINT],
        books[0, core.B_MARGIN_PPM],
    )
    level, goal = books[0, core.B_STOP], books[0, core.B_TARGET]
    distance, best = books[0, core.B_TRAIL], books[0, core.B_TRAIL_BEST]
    guarded = level != 0 or goal != 0 or distance != 0
    sign = np.int64(1) if units > 0 else np.int64(-1)
    # of the closing side: first, best and worst of an element, as columns of the path
    side, top, low = (2, 3, 4) if units > 0 else (6, 8, 7)
    for i in range(at + 1, stop):
        mid, after = (
            whole_at(path[2], i) + whole_at(path[6], i),
            whole_at(path[5], i) + whole_at(path[9], i),
        )
        if min(mid, after) <= least or max(mid, after) >= most:
            return i
        if not guarded:
            continue
        start, worst = sign * whole_at(path[side], i), sign * whole_at(path[low], i)
        high, end = sign * whole_at(path[top], i), sign * whole_at(path[side + 3], i)
        worst, high = min(start, worst), max(start, high)
        if (level != 0 and worst <= sign * level) or (goal != 0 and high >= sign * goal):
            return i
        if distance != 0:
            reached = max(sign * best, start)
            if worst <= reached - distance:
                return i
            reached = max(reached, high)
            if end <= reached - distance:
                return i
            best = sign * reached
    return stop


@compiled
def advance(frame: Ints) -> None:
    """Hand in the orders decided after the element before, and let the engine take element `AT`.

    The equity is written up to there.
    """
    first, at, noted = frame[FIRST], frame[AT], frame[NOTED]
    path, steps, roll_at, equity = (
        _column(frame, PATH),
        _column(frame, STEPS),
        _column(frame, ROLL_AT),
        _column(frame, EQUITY),
    )
    account, books, pending = _column(frame, ACCOUNT), _table(frame, BOOKS), _table(frame, PENDING)
    trades, fills, canceled = _table(frame, TRADES), _table(frame, FILLS), _table(frame, CANCELED)
    roll_ns, roll_days, costs = _column(frame, ROLL_NS), _table(frame, ROLL_DAYS), _table(frame, COSTS)
    count = equity.shape[0]
    held = books[0, core.B_UNITS]
    value = account[core.A_BALANCE]
    if held == 0:
        for i in range(noted, at):
            equity[i] = value
    else:
        value -= books[0, core.B_COST]
        point = held * books[0, core.B_MICRO_PER_POINT]
        closing = path[5] if held > 0 else path[9]
        for i in range(noted, at):
            equity[i] = value + point * whole_at(closing, i)
    catch_up(path, first, at, account, books)
    if frame[ORDERS] > 0:
        orders = _table(frame, TABLE)
        for number in range(frame[ORDERS]):
            core.core_place(account, books, pending, orders[number])
        frame[ORDERS] = 0
    bid, ask = whole_at(path[2], at), whole_at(path[6], at)
    opens, closes = whole_at(path[0], at), whole_at(path[1], at)
    call(
        steps[0],
        (account, books, 0, opens, bid, ask, pending, trades, fills, canceled, roll_ns, roll_days, costs),
    )
    frame[PAID_AT_OPEN], frame[FILLS_AT_OPEN] = account[core.A_FINANCING], account[core.A_FILLS]
    if path[11] != 0 and account[core.A_ERROR] == 0:
        call(
            steps[1],
            (
                account,
                books,
                0,
                opens,
                closes,
                bid,
                whole_at(path[3], at),
                whole_at(path[4], at),
                whole_at(path[5], at),
                ask,
                whole_at(path[7], at),
                whole_at(path[8], at),
                whole_at(path[9], at),
                pending,
                trades,
                fills,
                canceled,
                roll_ns,
                roll_days,
                costs,
            ),
        )
    frame[LOUD] = _next_loud(path, at, count, roll_at, account, books)
    filled, kept = account[core.A_FILLS], frame[KEPT]
    if filled > 0:
        kept_fills, kept_at = _table(frame, KEPT_FILLS), _column(frame, KEPT_AT)
        for number in range(filled):
            kept_at[kept + number] = at
            for column in range(core.FILL_SIZE):
                kept_fills[kept + number, column] = fills[number, column]
        account[core.A_FILLS] = 0
    frame[FIRST], frame[NOTED], frame[KEPT], frame[FILLED] = at + 1, at, kept + filled, filled
    frame[ERROR], frame[CANCELED_COUNT] = account[core.A_ERROR], account[core.A_CANCELED]
    frame[BALANCE], frame[PAID] = account[core.A_BALANCE], account[core.A_FINANCING]
    frame[UNITS], frame[COST] = books[0, core.B_UNITS], books[0, core.B_COST]
    frame[WAITING] = account[core.A_PENDING]
