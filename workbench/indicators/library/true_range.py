"""True range."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing, borrowing_inline
from workbench.indicators.declaring import Floats, Indicator
from workbench.indicators.passes import BLOCK

__all__ = ["range_from", "true_range"]

_MOST = 1.7976931348623157e308  # the greatest finite number


@borrowing_inline
def range_from(high: float, low: float, previous_close: float) -> float:
    """True range of one bar."""
    top = high if high > previous_close else previous_close
    bottom = low if low < previous_close else previous_close
    return top - bottom


@borrowing
def _true_range_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Range of the bar that includes the close before: max(high, close[t-1]) - min(low, close[t-1]).

    NaN at the first bar: Wilder (1978); TA-Lib's TRANGE.
    """
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        h, l, c, result = high[start:stop], low[start:stop], close[start:stop], out[0, start:stop]
        last = stop - start - 1
        holes = _ranges(h[1:], l[1:], c[1:], c[:last], result[1:])
        if state[0] == 1.0 and holes == 0 and math.isfinite(h[0] + l[0] + c[0]):
            result[0] = range_from(h[0], l[0], state[1])
            state[1] = c[last]
        else:
            _one_by_one(state, h, l, c, result)


@borrowing
def _ranges(high: Floats, low: Floats, close: Floats, before: Floats, out: Floats) -> int:
    """True ranges as if there were no holes; how many there are."""
    holes = 0
    for i in range(out.shape[0]):
        out[i] = range_from(high[i], low[i], before[i])
        holes += not abs(high[i] + low[i] + close[i]) <= _MOST
    return holes


@borrowing
def _one_by_one(state: Floats, high: Floats, low: Floats, close: Floats, result: Floats) -> None:
    count, previous = int(state[0]), state[1]
    for i in range(close.shape[0]):
        if not math.isfinite(high[i] + low[i] + close[i]):
            count = 0
            result[i] = np.nan
            continue
        result[i] = range_from(high[i], low[i], previous) if count > 0 else np.nan
        previous = close[i]
        count = 1
    state[0], state[1] = count, previous


true_range = Indicator("true_range", _true_range_kernel, inputs=["high", "low", "close"], state=2, warm_up=1)
