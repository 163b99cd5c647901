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
    n = int(max(parameters[0], parameters[1], parameters[2]))
    result = out[0]
    count, position, previous = int(state[0]), int(state[1]), state[2]
    for k in range(3):  # where each lookback's oldest lies
        state[9 + k] = (position - int(parameters[k]) + n) % n
    at_1, at_2, at_3 = int(state[9]), int(state[10]), int(state[11])
    p_1, p_2, p_3 = state[3], state[4], state[5]
    r_1, r_2, r_3 = state[6], state[7], state[8]
    pressures, ranges = state[12 : 12 + n], state[12 + n : 12 + 2 * n]
    for i in range(close.shape[0]):
        if not math.isfinite(high[i] + low[i] + close[i]):
            count = 0
            p_1, p_2, p_3, r_1, r_2, r_3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(2 * n):
                state[12 + k] = 0.0
            result[i] = np.nan
            continue
        if count == 0:
            count, previous = 1, close[i]
            result[i] = np.nan
            continue
        pressure = close[i] - min(low[i], previous)
        reach = range_from(high[i], low[i], previous)
        previous = close[i]
        p_1 += pressure - pressures[at_1]  # zeros as long as there is none so old
        p_2 += pressure - pressures[at_2]
        p_3 += pressure - pressures[at_3]
        r_1 += reach - ranges[at_1]
        r_2 += reach - ranges[at_2]
        r_3 += reach - ranges[at_3]
        pressures[position] = pressure
        ranges[position] = reach
        position = position + 1 if position + 1 < n else 0
        at_1 = at_1 + 1 if at_1 + 1 < n else 0
        at_2 = at_2 + 1 if at_2 + 1 < n else 0
        at_3 = at_3 + 1 if at_3 + 1 < n else 0
        if count <= n:
            count += 1
        if count <= n:
            result[i] = np.nan
            continue
        a = p_1 / r_1 if r_1 > 0.0 else 0.5
        b = p_2 / r_2 if r_2 > 0.0 else 0.5
        c = p_3 / r_3 if r_3 > 0.0 else 0.5
        result[i] = 100.0 * (4.0 * a + 2.0 * b + c) / 7.0
    state[0], state[1], state[2] = count, position, previous
    state[3], state[4], state[5] = p_1, p_2, p_3
    state[6], state[7], state[8] = r_1, r_2, r_3


ultimate_oscillator = Indicator(
    "ultimate_oscillator",
    _ultimate_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars("short", default=7), n_bars("middle", default=14), n_bars("long", default=28)],
    state=lambda short, middle, long: 12 + 2 * max(short, middle, long),
    warm_up=lambda short, middle, long: max(short, middle, long),
)
