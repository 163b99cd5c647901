"""What a plain run is told and tells, and the steps that its passes share; see `workbench.research.quick`."""

# mypy: disable-error-code="arg-type,assignment,call-overload,operator"
# compiled: an int64 of an array and a plain whole number are one type there
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.engine.core import (
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
    scale_half_even,
)
from workbench.indicators.compiled import borrowing, borrowing_inline, compiled
from workbench.research.ahead import EIGHT, scaled

__all__ = [
    "BLOCK",
    "DONE",
    "FAR",
    "GAVE_UP",
    "NEEDS_EXTREMES",
    "ORDERS_PER_EVENT",
    "PPM",
    "TERMS",
    "TOTALS",
    "booked_at",
    "financing",
    "margin_levels",
    "number_at",
    "path_extremes",
    "share_of",
    "truth_at",
    "value_bars",
    "write_fill",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

DONE, GAVE_UP, NEEDS_EXTREMES = range(3)
BLOCK = 16  # elements of the path looked at together
ORDERS_PER_EVENT = 1_024  # as in `workbench.research.outcome`
PPM = 1_000_000
_YEAR_PPM_DOUBLED = 2 * 365 * PPM
FAR = np.int64(1) << 62
_SAFE_VALUE = 9_000_000_000_000  # times 10**6 is below 2**63

# what is fixed: money of one point of one unit, costs, sizes, the lowest bid and highest ask of the path
(
    Q_BALANCE,
    Q_MICRO,
    Q_COMMISSION_PPM,
    Q_LONG_PPM,
    Q_SHORT_PPM,
    Q_MARGIN_PPM,
    Q_SLIPPAGE,
    Q_SLIPPAGE_PPM,
    Q_UNIT_STEP,
    Q_MINIMUM_UNITS,
    Q_RANGES,  # 1 where elements of the path are bars, 0 where they are quotes
    Q_KEEPS_FILLS,
    Q_LOWEST,
    Q_HIGHEST,
) = range(14)
TERMS = 14

# what comes out: counts and sums in micro-units
(
    R_BALANCE,
    R_UNITS,
    R_COST,
    R_FILLS,
    R_REFUSED,
    R_BOOKINGS,
    R_AMBIGUOUS,
    R_TRADES,  # closed
    R_WON_TRADES,
    R_WON,
    R_LOST,
    R_COMMISSION,
    R_FINANCING,
    R_SPREAD_DOUBLED,  # points times units
    R_SLIPPED,  # points times units
    R_BARS_HELD,
    R_EQUITY,
) = range(17)
TOTALS = 17


@borrowing_inline
def truth_at(words: Words, bar: int) -> Any:
    return (words[bar >> 6] >> np.int64(bar & 63)) & np.int64(1) != 0


@borrowing_inline
def number_at(values: Floats, bar: int, declared: bool) -> Any:
    if not declared:
        return np.nan
    return values[bar] if values.shape[0] > 1 else values[0]


@borrowing_inline
def share_of(value: int, ppm: int) -> Any:
    """Millionths of a value of 0 or more, rounded half to even."""
    if value > _SAFE_VALUE:
        return scale_half_even(value, ppm, PPM)
    product = value * ppm
    whole = product // 1_000_000
    twice = 2 * (product - whole * 1_000_000)
    return whole + (np.int64(twice > 1_000_000) | (np.int64(twice == 1_000_000) & whole & 1))


@borrowing
def financing(units: int, mid_doubled: int, micro: int, terms: Ints, days: int) -> int:
    """What a rollover brings (or, negative, costs), micro-units."""
    rate = terms[Q_LONG_PPM] if units > 0 else terms[Q_SHORT_PPM]
    amount = scale_half_even(abs(units) * mid_doubled * micro, abs(rate) * days, _YEAR_PPM_DOUBLED)
    return -amount if rate < 0 else amount


@borrowing
def value_bars(close: Ints, equity: Ints, start: int, stop: int, base: int, worth: int) -> None:
    """Equity at the closes of bars from `start` to `stop` (exclusive); what comes after is written over."""
    count = equity.shape[0]
    if worth == 0:
        equity[start:stop] = base
        return
    for k in range(start, stop, EIGHT):
        if k + EIGHT <= count:
            scaled(close, equity, k, base, worth)
        else:
            for last in range(k, stop):
                equity[last] = base + worth * close[last]


@borrowing_inline
def booked_at(
    roll: int,
    at: int,
    inside: int,
    roll_at: Ints,
    roll_inside: Ints,
    roll_days: Ints,
    units: int,
    mid_doubled: int,
    micro: int,
    terms: Ints,
) -> Any:
    """What the rollovers before (`inside` 0) or within (1) element `at` bring, and the next rollover."""
    while roll < roll_at.shape[0] and roll_at[roll] < at:
        roll += 1
    amount = np.int64(0)
    while roll < roll_at.shape[0] and roll_at[roll] == at and roll_inside[roll] <= inside:
        if roll_inside[roll] == inside:
            amount += financing(units, mid_doubled, micro, terms, roll_days[roll])
        roll += 1
    return amount, roll


@borrowing
def margin_levels(balance: int, units: int, cost: int, micro: int, margin_ppm: int) -> Any:
    """Sums of bid and ask between which equity at mid is well above the margin used."""
    least, most = np.int64(0), FAR
    worth = 2.0 * (float(balance) - float(cost))  # doubled equity if the price were 0
    share = margin_ppm * 1.0e-6
    slack = 1.0e-6 * (abs(worth) + 1.0e9)  # far more than rounding of either kind
    if units > 0:
        if margin_ppm < PPM:
            level = (slack - worth) / (float(units) * micro * (1.0 - share))
            least = np.int64(min(max(level, -4.0e18), 4.0e18)) + 2
        elif worth <= slack:
            least = FAR
    else:
        level = (worth - slack) / (float(-units) * micro * (1.0 + share))
        most = np.int64(min(max(level, -4.0e18), 4.0e18)) - 2
    return least, most


@borrowing
def write_fill(
    fills: Ints,
    row: int,
    order: int,
    time_ns: int,
    units: int,
    price: int,
    reason: int,
    commission: int,
    realized: int,
    position: int,
    balance: int,
    spread: int,
) -> None:
    fills[row, F_ORDER] = order
    fills[row, F_BOOK] = 0
    fills[row, F_TIME] = time_ns
    fills[row, F_UNITS] = units
    fills[row, F_PRICE] = price
    fills[row, F_REASON] = reason
    fills[row, F_COMMISSION] = commission
    fills[row, F_REALIZED] = realized
    fills[row, F_POSITION] = position
    fills[row, F_BALANCE] = balance
    fills[row, F_SPREAD] = spread
    fills[row, F_TRADE] = 0
    fills[row, F_LEFT] = 0


@compiled
def path_extremes(path: Any) -> Any:
    """Of each `BLOCK` elements: lowest bid, highest ask, highest bid, lowest ask."""
    bid_open, bid_high, bid_low, bid_close = path[2], path[3], path[4], path[5]
    ask_open, ask_high, ask_low, ask_close = path[6], path[7], path[8], path[9]
    n = bid_open.shape[0]
    count = (n + BLOCK - 1) // BLOCK
    lows, highs = np.empty(count, np.int64), np.empty(count, np.int64)
    bid_highs, ask_lows = np.empty(count, np.int64), np.empty(count, np.int64)
    for block in range(count):
        least, most, top, low = FAR, np.int64(0), np.int64(0), FAR
        for i in range(block * BLOCK, min((block + 1) * BLOCK, n)):
            least = min(least, bid_low[i], bid_open[i], bid_close[i])
            most = max(most, ask_high[i], ask_open[i], ask_close[i])
            top = max(top, bid_high[i], bid_open[i])
            low = min(low, ask_low[i], ask_open[i])
        lows[block], highs[block], bid_highs[block], ask_lows[block] = least, most, top, low
    return lows, highs, bid_highs, ask_lows
