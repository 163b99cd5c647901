"""Ultimate oscillator."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.library.true_range import range_from

__all__ = ["ultimate_oscillator"]


@borrowing
def _ultimate_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Williams' ultimate oscillator, 0 to 100: 100 (4 a + 2 b + c) / 7 of three lookbacks.

    Each is the sum of close - min(low, close before) over the sum of the true ranges; 50 where the market
    stood still: Williams (1985), Technical Analysis of Stocks & Commodities 3(4); TA-Lib's ULTOSC.
    """
    short, middle, long = int(parameters[0]), int(parameters[1]), int(parameters[2])
    n = max(short, middle, long)
    result = out[0]
    count, position, previous = int(state[0]), int(state[1]), state[2]
    sums = state[3:9]
    pressures, ranges = state[9 : 9 + n], state[9 + n : 9 + 2 * n]
    for i in range(close.shape[0]):
        if not math.isfinite(high[i] + low[i] + close[i]):
            count, position = 0, 0
            sums[:] = 0.0
            result[i] = np.nan
            continue
        if count == 0:
            count, previous = 1, close[i]
            result[i] = np.nan
            continue
        pressure = close[i] - min(low[i], previous)
        reach = range_from(high[i], low[i], previous)
        for k in range(3):
            back = int(parameters[k])
            sums[2 * k] += pressure
            sums[2 * k + 1] += reach
            if count > back:
                at = position - back
                at = at + n if at < 0 else at
                sums[2 * k] -= pressures[at]
                sums[2 * k + 1] -= ranges[at]
        pressures[position] = pressure
        ranges[position] = reach
        position += 1
        if position == n:
            position = 0
        previous = close[i]
        if count <= n:
            count += 1
        if count <= n:
            result[i] = np.nan
            continue
        a = sums[0] / sums[1] if sums[1] > 0.0 else 0.5
        b = sums[2] / sums[3] if sums[3] > 0.0 else 0.5
        c = sums[4] / sums[5] if sums[5] > 0.0 else 0.5
        result[i] = 100.0 * (4.0 * a + 2.0 * b + c) / 7.0
    state[0], state[1], state[2] = count, position, previous


ultimate_oscillator = Indicator(
    "ultimate_oscillator",
    _ultimate_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars("short", default=7), n_bars("middle", default=14), n_bars("long", default=28)],
    state=lambda short, middle, long: 9 + 2 * max(short, middle, long),
    warm_up=lambda short, middle, long: max(short, middle, long),
)
