"""Commodity channel index."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["cci"]


@borrowing
def _cci_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Commodity channel index: (tp - mean) / (0.015 mean |tp - mean|) of n bars.

    tp = (high + low + close) / 3; 0 where the market stood still: Lambert (1980), Commodities 10; CCI of
    TA-Lib.
    """
    n = int(parameters[0])
    result = out[0]
    count, position, total = int(state[0]), int(state[1]), state[2]
    ring = state[3 : 3 + 2 * n]  # each value twice, so that a window is never cut
    for i in range(close.shape[0]):
        summed = high[i] + low[i] + close[i]  # three times the typical price, exact for prices in points
        if not math.isfinite(summed):
            count, position, total = 0, 0, 0.0
            result[i] = np.nan
            continue
        if count >= n:
            total += summed - ring[position]
        else:
            total += summed
            count += 1
        ring[position] = summed
        ring[position + n] = summed
        position += 1
        if position == n:
            position = 0
        if count < n:
            result[i] = np.nan
            continue
        mean = total / n
        away = _away(ring[position : position + n], mean)
        result[i] = (summed - mean) / (0.015 * (away / n)) if away > 0.0 else 0.0
    state[0], state[1], state[2] = count, position, total


@borrowing
def _away(window: Floats, mean: float) -> float:
    """Sum of distances from the mean, in four parts that can be added at once."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = window.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        a += abs(window[k] - mean)
        b += abs(window[k + 1] - mean)
        c += abs(window[k + 2] - mean)
        d += abs(window[k + 3] - mean)
    for k in range(whole, window.shape[0]):
        a += abs(window[k] - mean)
    return (a + b) + (c + d)


cci = Indicator(
    "cci",
    _cci_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars(default=20, least=2)],
    state=lambda n: 3 + 2 * n,
    warm_up=lambda n: n - 1,
)
