"""From signals to orders: the functions that backtest, replay and live runtime all decide with.

`decide_bar` covers everything that `Rules` can say, for one instrument at the close of one of its bars. Its
special case of market entries with a stop and a target is in `workbench.strategy.simple_decision`.
"""

import hashlib
import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.domain.orders import ClientOrderId
from workbench.errors import BadInputError
from workbench.indicators import compiled
from workbench.strategy.sizes import (
    SIZE_CASH,
    SIZE_EQUITY,
    SIZE_RISK_FRACTION,
    SIZE_UNITS,
    SIZE_VOLATILITY,
)

__all__ = [
    "BIT",
    "CANCEL_ROWS",
    "KIND_LIMIT",
    "KIND_MARKET",
    "KIND_STOP",
    "KIND_TOUCH",
    "MAX_UNITS",
    "MEMORY_SIZE",
    "ORDER_ROWS",
    "ORDER_SIZE",
    "SIZE_RISK_FRACTION",
    "SIZE_UNITS",
    "client_order_id",
    "decide_bar",
    "whole_points",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_UNITS = 1_000_000_000
_MAX_DISTANCE = 1e15

# bits of a bar's signals, in the order of `workbench.strategy.rules.FLAGS`
(
    ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, ADD_LONG, ADD_SHORT, REDUCE_LONG, REDUCE_SHORT, REBALANCE,
) = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # fmt: skip
BIT = (1, 2, 4, 8, 16, 32, 64, 128, 256)

# places of `rows`, in the order of `workbench.strategy.rules.NUMBERS`
(
    N_STOP_LONG, N_STOP_SHORT, N_TARGET_LONG, N_TARGET_SHORT, N_TRAIL_LONG, N_TRAIL_SHORT,
    N_ENTRY_LONG, N_ENTRY_SHORT, N_VOLATILITY, N_ADD_VOLATILITY,
) = range(10)  # fmt: skip

# the rules' whole numbers
(
    S_ENTRY_LONG, S_ENTRY_SHORT,  # KIND_...
    S_STOP_LONG, S_STOP_SHORT, S_TARGET_LONG, S_TARGET_SHORT,  # NONE, DISTANCE or LEVEL
    S_TRAIL_LONG, S_TRAIL_SHORT,
    S_SIZE, S_ADD_SIZE,  # SIZE_...
    S_EXPIRES_BARS, S_MAX_BARS, S_MAX_ADDS, S_REDUCES_LONG, S_REDUCES_SHORT,
) = range(15)  # fmt: skip
SETTINGS = 15
NONE, DISTANCE, LEVEL = range(3)

# the rules' amounts
(V_SIZE, V_ADD_SIZE, V_REDUCE_LONG, V_REDUCE_SHORT, V_REBALANCE_BAND) = range(5)
AMOUNTS = 5

# what is remembered of one instrument from bar to bar
(
    M_SIGN,  # of the position at the decision before
    M_BARS,  # for which it has been held
    M_ADDS, M_REDUCES,  # decided since it was opened
    M_WAIT_SIGN,  # of the position that the waiting orders were decided with
    M_LONG, M_LONG_CLOSE, M_LONG_AGE,  # key + 1 of the waiting entry, of the order that closes first; bars
    M_SHORT, M_SHORT_CLOSE, M_SHORT_AGE,
) = range(11)  # fmt: skip
MEMORY_SIZE = 11

# columns of the orders that are decided
(
    O_KIND, O_UNITS, O_PRICE, O_REDUCE_ONLY,
    O_STOP_DISTANCE, O_TARGET_DISTANCE, O_TRAILING_DISTANCE, O_STOP_PRICE, O_TARGET_PRICE,
) = range(9)  # fmt: skip
ORDER_SIZE = 9
ORDER_ROWS, CANCEL_ROWS = 8, 8  # at most so many come of one decision
KIND_MARKET, KIND_LIMIT, KIND_STOP, KIND_TOUCH = range(4)  # as in `workbench.domain.orders.OrderKind`


@compiled
def decide_bar(
    bits: int,
    numbers: Floats,
    at: int,
    rows: Ints,
    settings: Ints,
    amounts: Floats,
    bid: int,
    ask: int,
    position: int,
    equity_micro: int,
    micro_per_point: int,
    rate: float,
    unit_step: int,
    minimum_units: int,
    memory: Ints,
    first_key: int,
    orders: Ints,
    cancels: Ints,
) -> tuple[int, int]:
    """What to do at the close of a bar: how many rows of `orders` and of `cancels` were written.

    Parameters
    ----------
    bits
        The bar's conditions, a bit of `BIT` each.
    numbers, at, rows
        The bar's numbers: number `k` of `NUMBERS` is ``numbers[rows[k], at]``; row -1 is not declared.
    settings, amounts
        What `RuleSettings` makes of the rules.
    bid, ask
        The closing quote in points.
    rate
        Of the account's currency for one of the instrument's quote currency.
    memory
        int64[MEMORY_SIZE], zero at the start; belongs to this function.
    first_key
        The key of the first order; row `k` has ``first_key + k``.
    cancels
        Receives the keys of orders to withdraw; some of them may be filled or gone already.

    Notes
    -----
    Waiting entries are withdrawn when the position changes its sign, when they have expired, and when a new
    signal of their side replaces them. A time exit comes before everything, then a market entry against the
    position turns it; then, unless an entry in its direction keeps it, the exits; then the first of reduce,
    add and rebalance that comes to something.
    """
    sign = 1 if position > 0 else -1 if position < 0 else 0
    held = abs(position)
    dropped = 0
    if sign != memory[M_WAIT_SIGN]:
        dropped = _withdraw(memory, M_LONG, cancels, dropped)
        dropped = _withdraw(memory, M_SHORT, cancels, dropped)
    if sign != memory[M_SIGN]:
        memory[M_SIGN] = sign
        memory[M_BARS] = 0
        memory[M_ADDS] = 0
        memory[M_REDUCES] = 0
    if sign != 0:
        memory[M_BARS] += 1
    for side in (M_LONG, M_SHORT):
        if memory[side] != 0 or memory[side + 1] != 0:
            memory[side + 2] += 1
            if settings[S_EXPIRES_BARS] > 0 and memory[side + 2] >= settings[S_EXPIRES_BARS]:
                dropped = _withdraw(memory, side, cancels, dropped)
    due = sign != 0 and settings[S_MAX_BARS] > 0 and memory[M_BARS] >= settings[S_MAX_BARS]
    if bits == 0 and not due:
        return 0, dropped

    enters_long, enters_short = bits & ENTER_LONG != 0, bits & ENTER_SHORT != 0
    kind_long, kind_short = settings[S_ENTRY_LONG], settings[S_ENTRY_SHORT]
    silent = enters_long and enters_short and (kind_long == KIND_MARKET or kind_short == KIND_MARKET)
    keeps = silent
    turns = False
    places_long, places_short = False, False
    if not silent:
        for direction in (1, -1):
            enters = enters_long if direction > 0 else enters_short
            if not enters or not _protects(orders, 0, direction, numbers, at, rows, settings, bid, ask):
                continue
            if sign == direction:
                keeps = True
            elif settings[S_ENTRY_LONG if direction > 0 else S_ENTRY_SHORT] == KIND_MARKET:
                turns = True
            elif direction > 0:
                places_long = True
            else:
                places_short = True
    done = 0
    closes = due or (turns and sign != 0)
    if not closes and not keeps and not turns:
        closes = (bits & EXIT_LONG != 0 and sign > 0) or (bits & EXIT_SHORT != 0 and sign < 0)
    if closes:
        done = _put(orders, done, KIND_MARKET, -position, 0, True)
    if not keeps and not turns:
        if bits & EXIT_LONG != 0 and sign <= 0 and not places_long:
            dropped = _withdraw(memory, M_LONG, cancels, dropped)
        if bits & EXIT_SHORT != 0 and sign >= 0 and not places_short:
            dropped = _withdraw(memory, M_SHORT, cancels, dropped)
    if turns:
        direction = 1 if enters_long else -1
        side = M_LONG if direction > 0 else M_SHORT
        dropped = _withdraw(memory, side, cancels, dropped)
        _protects(orders, done, direction, numbers, at, rows, settings, bid, ask)
        units = _units(
            settings[S_SIZE], amounts[V_SIZE], N_VOLATILITY, orders[done], direction, numbers, at, rows,
            bid, ask, equity_micro, micro_per_point, rate, unit_step, minimum_units,
        )  # fmt: skip
        if units > 0:
            orders[done, O_KIND] = KIND_MARKET
            orders[done, O_UNITS] = direction * units
            orders[done, O_PRICE] = 0
            orders[done, O_REDUCE_ONLY] = 0
            done += 1
        return done, dropped
    for direction in (1, -1):
        if not (places_long if direction > 0 else places_short):
            continue
        side = M_LONG if direction > 0 else M_SHORT
        dropped = _withdraw(memory, side, cancels, dropped)
        waits_for = 0 if closes else sign
        kind = kind_long if direction > 0 else kind_short
        _protects(orders, done, direction, numbers, at, rows, settings, bid, ask)
        units = _units(
            settings[S_SIZE], amounts[V_SIZE], N_VOLATILITY, orders[done], direction, numbers, at, rows,
            bid, ask, equity_micro, micro_per_point, rate, unit_step, minimum_units,
        )  # fmt: skip
        price = orders[done, O_PRICE]
        if waits_for != 0:  # what is held is closed at the same level, and first
            memory[side + 1] = first_key + done + 1
            done = _put(orders, done, kind, -position, price, True)
            _protects(orders, done, direction, numbers, at, rows, settings, bid, ask)
        if units > 0:
            memory[side] = first_key + done + 1
            orders[done, O_KIND] = kind
            orders[done, O_UNITS] = direction * units
            orders[done, O_REDUCE_ONLY] = 0
            done += 1
        memory[side + 2] = 0
        memory[M_WAIT_SIGN] = waits_for
    if sign == 0 or closes:
        return done, dropped

    reduce_bit, add_bit = (REDUCE_LONG, ADD_LONG) if sign > 0 else (REDUCE_SHORT, ADD_SHORT)
    most_reduces = settings[S_REDUCES_LONG] if sign > 0 else settings[S_REDUCES_SHORT]
    if bits & reduce_bit != 0 and memory[M_REDUCES] < most_reduces:
        fraction = amounts[V_REDUCE_LONG] if sign > 0 else amounts[V_REDUCE_SHORT]
        units = math.floor(fraction * held) // unit_step * unit_step
        if units >= minimum_units and units > 0:
            memory[M_REDUCES] += 1
            return _put(orders, done, KIND_MARKET, -sign * units, 0, True), dropped
    if (
        bits & add_bit != 0
        and memory[M_ADDS] < settings[S_MAX_ADDS]
        and _protects(orders, done, sign, numbers, at, rows, settings, bid, ask, True)
    ):
        units = _units(
            settings[S_ADD_SIZE], amounts[V_ADD_SIZE], N_ADD_VOLATILITY, orders[done], sign, numbers, at,
            rows, bid, ask, equity_micro, micro_per_point, rate, unit_step, minimum_units,
        )  # fmt: skip
        if units > 0:
            memory[M_ADDS] += 1
            orders[done, O_KIND] = KIND_MARKET
            orders[done, O_UNITS] = sign * units
            orders[done, O_PRICE] = 0
            orders[done, O_REDUCE_ONLY] = 0
            return done + 1, dropped
    if bits & REBALANCE != 0 and _protects(orders, done, sign, numbers, at, rows, settings, bid, ask, True):
        wanted = _units(
            settings[S_SIZE], amounts[V_SIZE], N_VOLATILITY, orders[done], sign, numbers, at, rows,
            bid, ask, equity_micro, micro_per_point, rate, unit_step, minimum_units,
        )  # fmt: skip
        change = wanted - held
        units = abs(change) // unit_step * unit_step
        if wanted > 0 and units >= minimum_units and abs(change) >= amounts[V_REBALANCE_BAND] * held:
            if change > 0:
                return _put(orders, done, KIND_MARKET, sign * units, 0, False), dropped
            return _put(orders, done, KIND_MARKET, -sign * units, 0, True), dropped
    return done, dropped


@compiled
def _withdraw(memory: Ints, side: int, cancels: Ints, dropped: int) -> int:
    """Withdraw the waiting orders of a side."""
    for place in (side, side + 1):
        if memory[place] != 0:
            cancels[dropped] = memory[place] - 1
            memory[place] = 0
            dropped += 1
    memory[side + 2] = 0
    return dropped


@compiled
def _put(orders: Ints, at: int, kind: int, units: int, price: int, reduce_only: bool) -> int:
    """Write an order without stops; the number of the next row."""
    orders[at, :] = 0
    orders[at, O_KIND] = kind
    orders[at, O_UNITS] = units
    orders[at, O_PRICE] = price
    orders[at, O_REDUCE_ONLY] = 1 if reduce_only else 0
    return at + 1


@compiled
def _protects(
    orders: Ints,
    row: int,
    direction: int,
    numbers: Floats,
    at: int,
    rows: Ints,
    settings: Ints,
    bid: int,
    ask: int,
    at_market: bool = False,
) -> bool:
    """Write level, stop, target and trailing stop of an entry; whether all that are declared are there.

    A level is good on its own side of the entry: of the closing quote it is measured from for an entry at
    the market, of the entry's own level for one that waits.
    """
    long = direction > 0
    orders[row, :] = 0
    price = ask if long else bid
    kind = settings[S_ENTRY_LONG if long else S_ENTRY_SHORT]
    if kind != KIND_MARKET and not at_market:
        price, good = whole_points(numbers[rows[N_ENTRY_LONG if long else N_ENTRY_SHORT], at], True)
        if not good:
            return False
        orders[row, O_PRICE] = price
    for part in range(3):
        setting = settings[S_STOP_LONG + 2 * part + (0 if long else 1)]
        if setting == NONE:
            continue
        found, good = whole_points(numbers[rows[N_STOP_LONG + 2 * part + (0 if long else 1)], at], True)
        if not good:
            return False
        if setting == DISTANCE:
            orders[row, O_STOP_DISTANCE + part] = found
        else:
            away = direction * (price - found) if part == 0 else direction * (found - price)
            if away < 1:
                return False
            orders[row, O_STOP_PRICE + part] = found
    return True


@compiled
def _units(
    kind: int,
    value: float,
    volatility: int,
    order: Ints,
    direction: int,
    numbers: Floats,
    at: int,
    rows: Ints,
    bid: int,
    ask: int,
    equity_micro: int,
    micro_per_point: int,
    rate: float,
    unit_step: int,
    minimum_units: int,
) -> int:
    """Units of an entry, without a sign; 0 when they do not come to the minimum."""
    entry = float(order[O_PRICE])
    if entry == 0.0:
        entry = (float(bid) + float(ask)) * 0.5
    wanted = 0.0
    if kind == SIZE_UNITS:
        wanted = value
    elif kind == SIZE_CASH:
        wanted = value / (entry * micro_per_point * rate)
    elif equity_micro > 0:
        if kind == SIZE_RISK_FRACTION:
            points = order[O_STOP_DISTANCE]
            if points == 0 and order[O_STOP_PRICE] != 0:
                price = order[O_PRICE]
                if price == 0:
                    price = ask if direction > 0 else bid
                points = abs(price - order[O_STOP_PRICE])
            if points > 0:
                wanted = value * equity_micro / (float(points) * micro_per_point * rate)
        elif kind == SIZE_EQUITY:
            wanted = value * equity_micro / (entry * micro_per_point * rate)
        elif kind == SIZE_VOLATILITY:
            yearly = numbers[rows[volatility], at]
            if yearly > 0.0 and math.isfinite(yearly):
                wanted = value * equity_micro / (yearly * entry * micro_per_point * rate)
    if not wanted > 0.0:
        return 0
    units = int(min(math.floor(wanted), float(MAX_UNITS))) // unit_step * unit_step
    return units if units >= minimum_units else 0


@compiled
def whole_points(value: float, declared: bool) -> tuple[int, bool]:
    """Whole points, rounded half to even, and whether they are there and one or more."""
    if not declared:
        return 0, True
    if not (math.isfinite(value) and 0.5 < value < _MAX_DISTANCE):
        return 0, False
    return _half_even(value), True


@compiled
def _half_even(value: float) -> int:
    whole = math.floor(value)
    rest = value - whole
    result = int(whole)
    if rest > 0.5 or (rest == 0.5 and result % 2 != 0):
        result += 1
    return result


def client_order_id(deployment_id: str, event_seq: int, n: int) -> ClientOrderId:
    """The id of the n-th order decided on an event: the same whenever it is decided again.

    Raises
    ------
    BadInputError
        Negative numbers, or so large that the id would pass 32 characters.
    """
    name = f"{_short_name(deployment_id)}-{event_seq}-{n}"
    if event_seq < 0 or n < 0 or len(name) > 32:
        raise BadInputError(
            f"expected an event number and an order number of 0 or more, found {event_seq}, {n}"
        )
    return ClientOrderId(name)


@lru_cache(maxsize=256)
def _short_name(deployment_id: str) -> str:
    return hashlib.sha256(deployment_id.encode()).hexdigest()[:12]
