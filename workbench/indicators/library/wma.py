"""Linearly weighted moving average."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["wma", "wma_kernel"]


@borrowing
def wma_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Mean of the last n values with weights rising to the newest.

    sum(k * x[t-n+k], k = 1 .. n) / (n (n + 1) / 2), as TA-Lib's WMA.
    """
    n = int(parameters[0])
    result = out[0]
    count, position, total, weighted = int(state[0]), int(state[1]), state[2], state[3]
    ring = state[4 : 4 + n]
    divisor = n * (n + 1) / 2.0
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total, weighted = 0, 0, 0.0, 0.0
            result[i] = np.nan
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
        result[i] = weighted / divisor if count >= n else np.nan
    state[0], state[1], state[2], state[3] = count, position, total, weighted


wma = Indicator("wma", wma_kernel, parameters=[n_bars()], state=lambda n: 4 + n, warm_up=lambda n: n - 1)
