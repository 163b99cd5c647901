"""Simple moving average."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["sma", "sma_kernel"]


@borrowing
def sma_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Simple mean of the last n values: sum(x[t-n+1 .. t]) / n.

    Prices come in as whole or half points, so the running sum is exact and means that tie are equal.
    """
    n = int(parameters[0])
    result = out[0]
    count, position, total = int(state[0]), int(state[1]), state[2]
    ring = state[3 : 3 + n]
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total = 0, 0, 0.0
            result[i] = np.nan
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
        # divided, so that equal means of two lookbacks are equal
        result[i] = total / n if count >= n else np.nan
    state[0], state[1], state[2] = count, position, total


sma = Indicator("sma", sma_kernel, parameters=[n_bars()], state=lambda n: 3 + n, warm_up=lambda n: n - 1)
