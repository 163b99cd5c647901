"""Wilder's average true range, in price and in percent."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.library.true_range import range_from
from workbench.indicators.passes import fused

__all__ = ["atr", "atr_pass", "natr"]


@borrowing
def atr_pass(state: Floats, n: int, high: Floats, low: Floats, close: Floats, result: Floats) -> None:
    """The average true range. State: count, close before, value."""
    count, previous, value = int(state[0]), state[1], state[2]
    weight = 1.0 / n
    keep = 1.0 - weight
    for i in range(close.shape[0]):
        if not math.isfinite(high[i] + low[i] + close[i]):
            count, value = 0, 0.0
            result[i] = np.nan
        elif count > n:
            value = fused(value, keep, range_from(high[i], low[i], previous) * weight)
            result[i] = value
        else:
            if count > 0:
                value += range_from(high[i], low[i], previous)
            if count == n:
                value /= n
            count += 1
            result[i] = value if count > n else np.nan
        previous = close[i]
    state[0], state[1], state[2] = count, previous, value


@borrowing
def _atr_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Wilder's average true range, in the unit of the prices; of `bar` it is that of the mid.

    True ranges smoothed by 1 / n, seeded with the mean of the first n; the first bar, which has no close
    before it, counts for nothing: Wilder (1978) as in TA-Lib's ATR.
    """
    atr_pass(state, int(parameters[0]), high, low, close, out[0])


@borrowing
def _natr_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Wilder's average true range in percent of the close; TA-Lib's NATR."""
    result = out[0]
    atr_pass(state, int(parameters[0]), high, low, close, result)
    for i in range(close.shape[0]):
        result[i] = 100.0 * result[i] / close[i]


natr = Indicator(
    "natr",
    _natr_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars(default=14)],
    state=3,
    warm_up=lambda n: n,
)
atr = Indicator(
    "atr", _atr_kernel, inputs=["high", "low", "close"], parameters=[n_bars()], state=3, warm_up=lambda n: n
)
