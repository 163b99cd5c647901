"""Wilder's relative strength index."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import fused

__all__ = ["rsi"]


@borrowing
def _rsi_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Wilder's relative strength index, 0 to 100; 50 where nothing moved.

    100 * gain / (gain + loss), both smoothed by 1 / n and seeded with the mean of the first n changes:
    Wilder (1978), New Concepts in Technical Trading Systems.
    """
    n = int(parameters[0])
    result = out[0]
    count, previous, gain, loss = int(state[0]), state[1], state[2], state[3]
    weight = 1.0 / n
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, gain, loss = 0, 0.0, 0.0
            result[i] = np.nan
            continue
        if count > 0:
            change = value - previous
            up = change if change > 0.0 else 0.0
            down = -change if change < 0.0 else 0.0
            if count > n:
                gain = fused(gain, keep, up * weight)
                loss = fused(loss, keep, down * weight)
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
            result[i] = 100.0 * (gain / moved) if moved > 0.0 else 50.0
        else:
            result[i] = np.nan
    state[0], state[1], state[2], state[3] = count, previous, gain, loss


rsi = Indicator("rsi", _rsi_kernel, parameters=[n_bars()], state=4, warm_up=lambda n: n)
