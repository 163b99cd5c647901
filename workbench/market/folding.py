"""The compiled core of every bar: quotes or shorter bars are folded into longer ones, one after another.

What is open is kept in `state`, so that a stream may be cut anywhere: the bars are the same. Imported
only where bars are made, since it brings the compiler along.
"""

import numpy as np
import numpy.typing as npt

from workbench.indicators.compiled import compiled

__all__ = ["CLOSE", "COUNT", "FIELDS", "LAST", "OPEN", "STATE_SIZE", "fold", "fold_quote"]

Ints = npt.NDArray[np.int64]

FIELDS = 10  # open_ns, close_ns, bid open, high, low, close, ask open, high, low, close
OPEN, CLOSE = 0, 1
COUNT = 10  # of quotes or bars in what is open, 0 when nothing is
LAST = 11  # the time that came last
STATE_SIZE = 12

_HOP = 8  # rows skipped while looking for the end of a bar


@compiled
def fold(
    state: Ints,
    times: Ints,
    unit: int,
    closes: Ints,
    bid_open: Ints,
    bid_high: Ints,
    bid_low: Ints,
    bid_close: Ints,
    ask_open: Ints,
    ask_high: Ints,
    ask_low: Ints,
    ask_close: Ints,
    step: int,
    edges: Ints,
    out: Ints,
    found: int,
) -> int:
    """Fold n rows into `state`; closed bars go to the columns of `out` from `found` on; up to where.

    Times are in `unit` nanoseconds. Bars are `step` ns long from 1970 on, or lie between two `edges` when
    step is 0. `closes` (empty for quotes) lets a bar end as soon as the shorter bar that ends with it is in.
    Where a time lies before the one before it nothing is done, and the result is -1 - row.
    """
    rows = len(times)
    last = state[LAST]
    if rows and times[0] * unit < last:
        return -1
    ordered = True
    for row in range(1, rows):  # without a way out, so that the compiler does many rows at once
        ordered &= times[row] >= times[row - 1]
    if not ordered:
        for row in range(1, rows):
            if times[row] < times[row - 1]:
                return -1 - row
    edge = 0
    opened, closed, count = state[OPEN], state[CLOSE], state[COUNT]
    b_open, b_high, b_low, b_close = state[2], state[3], state[4], state[5]
    a_open, a_high, a_low, a_close = state[6], state[7], state[8], state[9]
    row = 0
    while row < rows:
        time = times[row] * unit
        if count and time >= closed:
            out[0, found], out[1, found] = opened, closed
            out[2, found], out[3, found], out[4, found], out[5, found] = b_open, b_high, b_low, b_close
            out[6, found], out[7, found], out[8, found], out[9, found] = a_open, a_high, a_low, a_close
            found += 1
            count = 0
        if not count:
            if step:
                opened = time // step * step
                closed = opened + step
            else:
                while edges[edge + 1] <= time:
                    edge += 1
                opened, closed = edges[edge], edges[edge + 1]
            b_open, b_high, b_low = bid_open[row], bid_high[row], bid_low[row]
            a_open, a_high, a_low = ask_open[row], ask_high[row], ask_low[row]
        end = row + 1
        border = -(-closed // unit)
        while end + _HOP < rows and times[end + _HOP] < border:
            end += _HOP
        while end < rows and times[end] < border:
            end += 1
        for index in range(row, end):
            high, low = bid_high[index], bid_low[index]
            if high > b_high:
                b_high = high
            if low < b_low:
                b_low = low
            high, low = ask_high[index], ask_low[index]
            if high > a_high:
                a_high = high
            if low < a_low:
                a_low = low
        b_close, a_close = bid_close[end - 1], ask_close[end - 1]
        count += end - row
        row = end
        if len(closes) and closes[end - 1] >= closed:
            out[0, found], out[1, found] = opened, closed
            out[2, found], out[3, found], out[4, found], out[5, found] = b_open, b_high, b_low, b_close
            out[6, found], out[7, found], out[8, found], out[9, found] = a_open, a_high, a_low, a_close
            found += 1
            count = 0
    if rows:
        last = times[rows - 1] * unit
    state[OPEN], state[CLOSE], state[COUNT], state[LAST] = opened, closed, count, last
    state[2], state[3], state[4], state[5] = b_open, b_high, b_low, b_close
    state[6], state[7], state[8], state[9] = a_open, a_high, a_low, a_close
    return found


@compiled
def fold_quote(state: Ints, time: int, bid: int, ask: int, step: int, edges: Ints, out: Ints) -> int:
    """`fold` of one quote; whether it closed a bar, then in `out`, or -1 when time ran back."""
    if time < state[LAST]:
        return -1
    if state[COUNT] and time < state[CLOSE]:  # most quotes: nothing closes
        state[LAST] = time
        state[COUNT] += 1
        state[3], state[4], state[5] = max(state[3], bid), min(state[4], bid), bid
        state[7], state[8], state[9] = max(state[7], ask), min(state[8], ask), ask
        return 0
    times = np.array([time])
    bids, asks = np.array([bid]), np.array([ask])
    return fold(
        state, times, 1, times[:0], bids, bids, bids, bids, asks, asks, asks, asks, step, edges, out, 0
    )
