"""Percent rank."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["percent_rank"]


@borrowing
def _percent_rank_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Percent of the n values before this one that are not above it; TradingView's ta.percentrank."""
    n = int(parameters[0])
    result = out[0]
    count, position = int(state[0]), int(state[1])
    ring = state[2 : 2 + n]
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, position = 0, 0
            result[i] = np.nan
            continue
        if count >= n:
            below = 0
            for k in range(n):
                below += ring[k] <= new
            result[i] = 100.0 * below / n
        else:
            count += 1
            result[i] = np.nan
        ring[position] = new
        position += 1
        if position == n:
            position = 0
    state[0], state[1] = count, position


percent_rank = Indicator(
    "percent_rank",
    _percent_rank_kernel,
    parameters=[n_bars(default=100)],
    state=lambda n: 2 + n,
    warm_up=lambda n: n,
)
