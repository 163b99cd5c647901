"""Standard deviation of the last values."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["stdev", "stdev_kernel"]


@borrowing
def stdev_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Population standard deviation of the last n values (TA-Lib's STDDEV, pandas' with ddof=0).

    Sums are taken of differences from the first value, so they stay exact for prices in points.
    """
    n = int(parameters[0])
    result = out[0]
    count, position, origin = int(state[0]), int(state[1]), state[2]
    total, squares = state[3], state[4]
    ring = state[5 : 5 + n]
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total, squares = 0, 0, 0.0, 0.0
            result[i] = np.nan
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
            result[i] = math.sqrt(spread) / n if spread > 0.0 else 0.0
        else:
            result[i] = np.nan
    state[0], state[1], state[2], state[3], state[4] = count, position, origin, total, squares


stdev = Indicator(
    "stdev", stdev_kernel, parameters=[n_bars(least=2)], state=lambda n: 5 + n, warm_up=lambda n: n - 1
)
