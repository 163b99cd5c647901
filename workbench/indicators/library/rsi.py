"""Wilder's relative strength index, and Chande's form of it."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import fused

__all__ = ["cmo", "rsi", "rsi_pass"]


@borrowing
def rsi_pass(state: Floats, n: int, x: Floats, result: Floats) -> None:
    """The index over `x`. State: count, value before, gain, loss."""
    count, previous, gain, loss = int(state[0]), state[1], state[2], state[3]
    weight = 1.0 / n
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, gain, loss = 0, 0.0, 0.0
            result[i] = np.nan
            continue
        change = value - previous
        previous = value
        up = change if change > 0.0 else 0.0
        down = -change if change < 0.0 else 0.0
        if count > n:
            gain = fused(gain, keep, up * weight)
            loss = fused(loss, keep, down * weight)
        else:
            if count > 0:
                gain += up
                loss += down
            if count == n:
                gain /= n
                loss /= n
            count += 1
            if count <= n:
                result[i] = np.nan
                continue
        moved = gain + loss
        result[i] = 100.0 * (gain / moved) if moved > 0.0 else 50.0
    state[0], state[1], state[2], state[3] = count, previous, gain, loss


@borrowing
def _rsi_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Wilder's relative strength index, 0 to 100; 50 where nothing moved.

    100 * gain / (gain + loss), both smoothed by 1 / n and seeded with the mean of the first n changes:
    Wilder (1978), New Concepts in Technical Trading Systems.
    """
    rsi_pass(state, int(parameters[0]), x, out[0])


@borrowing
def _cmo_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Chande's momentum oscillator, -100 to 100: 100 (gain - loss) / (gain + loss), smoothed as in RSI.

    Chande and Kroll (1994), The New Technical Trader, in TA-Lib's form (CMO), which is 2 rsi - 100.
    """
    result = out[0]
    rsi_pass(state, int(parameters[0]), x, result)
    for i in range(result.shape[0]):
        result[i] = 2.0 * result[i] - 100.0


rsi = Indicator("rsi", _rsi_kernel, parameters=[n_bars()], state=4, warm_up=lambda n: n)
cmo = Indicator("cmo", _cmo_kernel, parameters=[n_bars(default=14)], state=4, warm_up=lambda n: n)
