"""Mean prices since the FX day began: weighted by volume (VWAP), or plain."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator

__all__ = ["twap", "vwap"]


@borrowing
def _vwap_kernel(
    state: Floats,
    parameters: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    session: Floats,
    volume: Floats,
    out: Floats,
) -> None:
    """Volume-weighted mean of (high + low + close) / 3 since the FX day began, at 17:00 in New York.

    sum(tp volume) / sum(volume): Berkowitz, Logue and Noser (1988), Journal of Finance 43(1). NaN while
    nothing was traded; a hole begins a new sum.
    """
    result = out[0]
    day, traded, total = state[0], state[1], state[2]
    for i in range(close.shape[0]):
        summed = high[i] + low[i] + close[i]
        if not math.isfinite(summed + session[i] + volume[i]):
            day, traded, total = 0.0, 0.0, 0.0
            result[i] = np.nan
            continue
        if session[i] != day:
            day, traded, total = session[i], 0.0, 0.0
        traded += volume[i]
        total += summed * volume[i]
        result[i] = total / (3.0 * traded) if traded > 0.0 else np.nan
    state[0], state[1], state[2] = day, traded, total


@borrowing
def _twap_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, session: Floats, out: Floats
) -> None:
    """Plain mean of (high + low + close) / 3 of the bars since the FX day began, at 17:00 in New York.

    What VWAP is where no volume is known. A hole begins a new mean.
    """
    result = out[0]
    day, bars, total = state[0], state[1], state[2]
    for i in range(close.shape[0]):
        summed = high[i] + low[i] + close[i]
        if not math.isfinite(summed + session[i]):
            day, bars, total = 0.0, 0.0, 0.0
            result[i] = np.nan
            continue
        if session[i] != day:
            day, bars, total = session[i], 0.0, 0.0
        bars += 1.0
        total += summed
        result[i] = total / (3.0 * bars)
    state[0], state[1], state[2] = day, bars, total


vwap = Indicator("vwap", _vwap_kernel, inputs=["high", "low", "close", "session", "volume"], state=3)
twap = Indicator("twap", _twap_kernel, inputs=["high", "low", "close", "session"], state=3)
