"""Wilder's directional movement."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.library.true_range import range_from
from workbench.indicators.passes import fused, smooth_next

__all__ = ["adx"]


@borrowing
def _adx_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Average directional index, and the directional indicators DI+ and DI-; each 0 to 100.

    DI = 100 (smoothed directional movement) / (smoothed true range), smoothed as s - s / n + new from the sum
    of the first n - 1; adx is Wilder's mean of 100 |DI+ - DI-| / (DI+ + DI-): Wilder (1978); TA-Lib's ADX,
    PLUS_DI, MINUS_DI. 0 where the market stood still.
    """
    n = int(parameters[0])
    weight = 1.0 / n
    keep = 1.0 - weight
    strengths, pluses, minuses = out[0], out[1], out[2]
    count, high_before, low_before, close_before = int(state[0]), state[1], state[2], state[3]
    plus, minus, reach = state[4], state[5], state[6]
    smoothed, strength = int(state[7]), state[8]
    for i in range(close.shape[0]):
        h, l, c = high[i], low[i], close[i]
        if not math.isfinite(h + l + c):
            count, plus, minus, reach, smoothed, strength = 0, 0.0, 0.0, 0.0, 0, 0.0
            strengths[i], pluses[i], minuses[i] = np.nan, np.nan, np.nan
            continue
        up, down = h - high_before, low_before - l
        moved_up = up if up > 0.0 and up > down else 0.0
        moved_down = down if down > 0.0 and down > up else 0.0
        width = range_from(h, l, close_before)
        high_before, low_before, close_before = h, l, c
        if count >= n:
            plus = fused(plus, keep, moved_up)
            minus = fused(minus, keep, moved_down)
            reach = fused(reach, keep, width)
            di_plus = 100.0 * (plus / reach) if reach > 0.0 else 0.0
            di_minus = 100.0 * (minus / reach) if reach > 0.0 else 0.0
            both = di_plus + di_minus
            dx = 100.0 * (abs(di_plus - di_minus) / both) if both > 0.0 else 0.0
            smoothed, strength = smooth_next(smoothed, strength, n, weight, dx)
            pluses[i], minuses[i] = di_plus, di_minus
            strengths[i] = strength if smoothed >= n else np.nan
            continue
        if count > 0:
            plus += moved_up
            minus += moved_down
            reach += width
        count += 1
        strengths[i], pluses[i], minuses[i] = np.nan, np.nan, np.nan
    state[0], state[1], state[2], state[3] = count, high_before, low_before, close_before
    state[4], state[5], state[6] = plus, minus, reach
    state[7], state[8] = smoothed, strength


adx = Indicator(
    "adx",
    _adx_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars(default=14, least=2)],
    outputs=["adx", "plus", "minus"],
    state=9,
    warm_up=lambda n: 2 * n - 1,
)
