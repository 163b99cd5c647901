"""The recurrences themselves, compiled.

Every kernel has the form ``kernel(state, at, n, x, out)``: it continues the recurrence whose state starts
at ``state[at]`` over the values `x`, writes one result a value to `out`, and leaves the state ready for the
value after. A batch is one call over all values, a stream is a call a value: the same code, the same
bits. State starts as zeros and has the length that the `*_size` comment gives.

Rules that hold for all: results are NaN until the lookback is full; a value that is not finite gives NaN
and starts the warm-up anew (it can not linger in a running sum). Prices come in as whole or half
points, so running sums of them are exact.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.indicators.compiled import compiled

__all__ = [
    "atr_kernel",
    "bollinger_kernel",
    "ema_first_kernel",
    "ema_kernel",
    "highest_kernel",
    "lowest_kernel",
    "rsi_kernel",
    "sma_kernel",
    "stdev_kernel",
    "true_range_kernel",
    "wma_kernel",
]

Floats = npt.NDArray[np.float64]
_BLOCK = 1024  # values that stay in the first-level cache between two passes


@compiled
def sma_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Mean of the last n values. State: count, position, sum, n values."""
    count = int(state[at])
    position = int(state[at + 1])
    total = state[at + 2]
    ring = state[at + 3 : at + 3 + n]
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total = 0, 0, 0.0
            out[i] = np.nan
            continue
        if count >= n:
            total += value - ring[position]
        else:
            total += value
            count += 1
        ring[position] = value
        position += 1
        if position == n:
            position = 0
        out[i] = (
            total / n if count >= n else np.nan
        )  # divided, so that equal means of two lookbacks are equal
    state[at] = count
    state[at + 1] = position
    state[at + 2] = total


@compiled
def wma_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Mean of the last n, weighted 1 (oldest) to n. State: count, position, sum, weighted sum, n values."""
    count = int(state[at])
    position = int(state[at + 1])
    total = state[at + 2]
    weighted = state[at + 3]
    ring = state[at + 4 : at + 4 + n]
    divisor = n * (n + 1) / 2.0
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total, weighted = 0, 0, 0.0, 0.0
            out[i] = np.nan
            continue
        if count >= n:
            weighted += n * value - total
            total += value - ring[position]
        else:
            count += 1
            weighted += count * value
            total += value
        ring[position] = value
        position += 1
        if position == n:
            position = 0
        out[i] = weighted / divisor if count >= n else np.nan
    state[at] = count
    state[at + 1] = position
    state[at + 2] = total
    state[at + 3] = weighted


@compiled
def ema_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Exponential mean, weight 2 / (n + 1), seeded with the mean of the first n. State: count, value."""
    count = int(state[at])
    value = state[at + 1]
    weight = 2.0 / (n + 1)
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, value = 0, 0.0
            out[i] = np.nan
            continue
        if count >= n:
            value = value * keep + new * weight
        else:
            count += 1
            value += new
            if count == n:
                value /= n
        out[i] = value if count >= n else np.nan
    state[at] = count
    state[at + 1] = value


@compiled
def ema_first_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Exponential mean, weight 2 / (n + 1), seeded with the first value. State: count, value."""
    count = int(state[at])
    value = state[at + 1]
    weight = 2.0 / (n + 1)
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, value = 0, 0.0
            out[i] = np.nan
            continue
        value = new if count == 0 else value * keep + new * weight
        if count < n:
            count += 1
        out[i] = value if count >= n else np.nan
    state[at] = count
    state[at + 1] = value


@compiled
def rsi_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Wilder's relative strength, 0 to 100. State: count, previous, gain, loss."""
    count = int(state[at])
    previous = state[at + 1]
    gain = state[at + 2]
    loss = state[at + 3]
    weight = 1.0 / n
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, gain, loss = 0, 0.0, 0.0
            out[i] = np.nan
            continue
        if count > 0:
            change = value - previous
            up = change if change > 0.0 else 0.0
            down = -change if change < 0.0 else 0.0
            if count > n:
                gain = gain * keep + up * weight
                loss = loss * keep + down * weight
            else:
                gain += up
                loss += down
                if count == n:
                    gain /= n
                    loss /= n
        previous = value
        if count <= n:
            count += 1
        if count > n:
            moved = gain + loss
            out[i] = 100.0 * (gain / moved) if moved > 0.0 else 50.0
        else:
            out[i] = np.nan
    state[at] = count
    state[at + 1] = previous
    state[at + 2] = gain
    state[at + 3] = loss


@compiled
def stdev_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Population standard deviation of the last n. State: count, position, origin, sum, squares, n values.

    Sums are taken of differences from the first value, so they stay exact for prices in points.
    """
    count = int(state[at])
    position = int(state[at + 1])
    origin = state[at + 2]
    total = state[at + 3]
    squares = state[at + 4]
    ring = state[at + 5 : at + 5 + n]
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total, squares = 0, 0, 0.0, 0.0
            out[i] = np.nan
            continue
        if count == 0:
            origin = value
        difference = value - origin
        if count >= n:
            old = ring[position]
            total += difference - old
            squares += difference * difference - old * old
        else:
            count += 1
            total += difference
            squares += difference * difference
        ring[position] = difference
        position += 1
        if position == n:
            position = 0
        if count >= n:
            spread = n * squares - total * total  # n * n times the variance
            out[i] = math.sqrt(spread) / n if spread > 0.0 else 0.0
        else:
            out[i] = np.nan
    state[at] = count
    state[at + 1] = position
    state[at + 2] = origin
    state[at + 3] = total
    state[at + 4] = squares


@compiled
def _extreme_kernel(state: Floats, at: int, n: int, sign: float, x: Floats, out: Floats) -> None:
    """Greatest of the last n values of ``sign * x``, times sign.

    Values come in blocks of n. A window is the end of one block and the beginning of the next: the greatest
    of the one is looked up (`ends`, worked out when a block is full), that of the other is carried along
    (van Herk 1992). State: count, position in the block, greatest of the block so far, n values, n ends.
    """
    count = int(state[at])
    position = int(state[at + 1])
    best = state[at + 2]
    values = state[at + 3 : at + 3 + n]
    ends = state[at + 3 + n : at + 3 + 2 * n]
    for i in range(x.shape[0]):
        value = sign * x[i]
        if not math.isfinite(value):
            count, position = 0, 0
            out[i] = np.nan
            continue
        best = value if position == 0 or value > best else best
        values[position] = value
        position += 1
        if count < n:
            count += 1
        if position < n:
            end = ends[position]
            out[i] = sign * (best if best > end else end) if count >= n else np.nan
        else:
            out[i] = sign * best if count >= n else np.nan
            position = 0
            end = value
            for j in range(n - 1, -1, -1):
                end = values[j] if values[j] > end else end
                ends[j] = end
    state[at] = count
    state[at + 1] = position
    state[at + 2] = best


@compiled
def highest_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Greatest of the last n values. State: see `_extreme_kernel`."""
    _extreme_kernel(state, at, n, 1.0, x, out)


@compiled
def lowest_kernel(state: Floats, at: int, n: int, x: Floats, out: Floats) -> None:
    """Least of the last n values. State: see `_extreme_kernel`."""
    _extreme_kernel(state, at, n, -1.0, x, out)


@compiled
def _true_range(high: float, low: float, previous_close: float) -> Any:
    top = high if high > previous_close else previous_close
    bottom = low if low < previous_close else previous_close
    return top - bottom


@compiled
def true_range_kernel(state: Floats, at: int, high: Floats, low: Floats, close: Floats, out: Floats) -> None:
    """Range of a bar that includes the close before; NaN at the first bar. State: count, previous close."""
    count = int(state[at])
    previous = state[at + 1]
    for i in range(close.shape[0]):
        if not math.isfinite(high[i] + low[i] + close[i]):
            count = 0
            out[i] = np.nan
            continue
        out[i] = _true_range(high[i], low[i], previous) if count > 0 else np.nan
        previous = close[i]
        count = 1
    state[at] = count
    state[at + 1] = previous


@compiled
def atr_kernel(state: Floats, at: int, n: int, high: Floats, low: Floats, close: Floats, out: Floats) -> None:
    """Wilder's average true range, seeded with the mean of the first n. State: count, close before, value."""
    count = int(state[at])
    previous = state[at + 1]
    value = state[at + 2]
    weight = 1.0 / n
    keep = 1.0 - weight
    for i in range(close.shape[0]):
        if not math.isfinite(high[i] + low[i] + close[i]):
            count, value = 0, 0.0
            out[i] = np.nan
        elif count > n:
            value = value * keep + _true_range(high[i], low[i], previous) * weight
            out[i] = value
        else:
            if count > 0:
                value += _true_range(high[i], low[i], previous)
            if count == n:
                value /= n
            count += 1
            out[i] = value if count > n else np.nan
        previous = close[i]
    state[at] = count
    state[at + 1] = previous
    state[at + 2] = value


@compiled
def bollinger_kernel(
    state: Floats, n: int, width: float, x: Floats, lower: Floats, middle: Floats, upper: Floats
) -> None:
    """Mean and `width` deviations on either side, block by block. State: the mean's, the deviation's."""
    for start in range(0, x.shape[0], _BLOCK):
        stop = min(x.shape[0], start + _BLOCK)
        sma_kernel(state, 0, n, x[start:stop], middle[start:stop])
        stdev_kernel(state, 3 + n, n, x[start:stop], upper[start:stop])
        for i in range(start, stop):
            reach = width * upper[i]
            lower[i] = middle[i] - reach
            upper[i] = middle[i] + reach
