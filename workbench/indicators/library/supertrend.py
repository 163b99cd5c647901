"""Supertrend."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, Number, n_bars
from workbench.indicators.library.atr import atr_pass
from workbench.indicators.passes import BLOCK

__all__ = ["supertrend"]


@borrowing
def _supertrend_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Supertrend's line and its direction (1 up: the line is below; -1 down: it is above).

    Bands of (high + low) / 2 and `width` average true ranges that only tighten while the close before stays
    within; the direction turns when the close passes the band it follows, and begins as down: Seban (2009),
    in the form of TradingView's ta.supertrend.
    """
    n, width = int(parameters[0]), parameters[1]
    count, direction, upper, lower, previous = int(state[0]), state[1], state[2], state[3], state[4]
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        lines, directions = out[0, start:stop], out[1, start:stop]
        atr_pass(state[5:], n, high[start:stop], low[start:stop], close[start:stop], lines)
        for i in range(stop - start):
            reach = width * lines[i]
            if not math.isfinite(reach):
                count = 0
                directions[i] = np.nan
                continue
            middle = 0.5 * (high[start + i] + low[start + i])
            top, bottom, new = middle + reach, middle - reach, close[start + i]
            if count == 0:
                upper, lower, direction, count = top, bottom, -1.0, 1
            else:
                upper = top if top < upper or previous > upper else upper
                lower = bottom if bottom > lower or previous < lower else lower
            turned = new < lower if direction > 0.0 else new > upper
            direction = -direction if turned else direction
            previous = new
            lines[i] = lower if direction > 0.0 else upper
            directions[i] = direction
    state[0], state[1], state[2], state[3], state[4] = count, direction, upper, lower, previous


supertrend = Indicator(
    "supertrend",
    _supertrend_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars(default=10), Number(name="width", low=0.0, high=100.0, default=3.0)],
    outputs=["line", "direction"],
    state=8,
    warm_up=lambda n, width: n,
)
