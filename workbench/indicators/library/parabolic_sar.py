"""Wilder's parabolic stop and reverse."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, Number

__all__ = ["parabolic_sar"]


@borrowing
def _sar_kernel(state: Floats, parameters: Floats, high: Floats, low: Floats, out: Floats) -> None:
    """Parabolic stop and reverse: the stop of this bar, and the direction after it (1 long, -1 short).

    The stop moves towards the extreme of the trade by a factor that grows by `acceleration` at each new
    extreme, up to `maximum`, and never into the last two bars; the first direction is down if the second
    bar's low fell by more than its high rose: Wilder (1978); TA-Lib's SAR.
    """
    acceleration, maximum = parameters[0], parameters[1]
    stops, directions = out[0], out[1]
    count, sign, sar, extreme, factor = int(state[0]), state[1], state[2], state[3], state[4]
    high_before, low_before = state[5], state[6]
    for i in range(high.shape[0]):
        h, l = high[i], low[i]
        if not math.isfinite(h + l):
            count = 0
            stops[i], directions[i] = np.nan, np.nan
            continue
        if count == 0:
            count, high_before, low_before = 1, h, l
            stops[i], directions[i] = np.nan, np.nan
            continue
        if count == 1:
            fell, rose = low_before - l, h - high_before
            sign = -1.0 if fell > 0.0 and fell > rose else 1.0
            sar, extreme = (low_before, h) if sign > 0.0 else (high_before, l)
            factor = acceleration
            count, high_before, low_before = 2, h, l
        if sign > 0.0:
            if l <= sar:
                sign = -1.0
                sar = max(extreme, high_before, h)
                stops[i] = sar
                factor, extreme = acceleration, l
                sar = max(sar + factor * (extreme - sar), high_before, h)
            else:
                stops[i] = sar
                if h > extreme:
                    extreme = h
                    factor = min(factor + acceleration, maximum)
                sar = min(sar + factor * (extreme - sar), low_before, l)
        elif h >= sar:
            sign = 1.0
            sar = min(extreme, low_before, l)
            stops[i] = sar
            factor, extreme = acceleration, h
            sar = min(sar + factor * (extreme - sar), low_before, l)
        else:
            stops[i] = sar
            if l < extreme:
                extreme = l
                factor = min(factor + acceleration, maximum)
            sar = max(sar + factor * (extreme - sar), high_before, h)
        directions[i] = sign
        high_before, low_before = h, l
    state[0], state[1], state[2], state[3], state[4] = count, sign, sar, extreme, factor
    state[5], state[6] = high_before, low_before


parabolic_sar = Indicator(
    "parabolic_sar",
    _sar_kernel,
    inputs=["high", "low"],
    parameters=[
        Number(name="acceleration", low=0.0001, high=1.0, default=0.02),
        Number(name="maximum", low=0.0001, high=1.0, default=0.2),
    ],
    outputs=["stop", "direction"],
    state=7,
    warm_up=1,
)
