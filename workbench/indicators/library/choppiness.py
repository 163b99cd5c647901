"""Choppiness index."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.library.true_range import range_from
from workbench.indicators.passes import (
    BLOCK,
    extreme_pass,
    extreme_size,
    extreme_size_inside,
    mean_pass,
    mean_size,
    share_holes,
)

__all__ = ["choppiness"]


@borrowing
def _choppiness_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Choppiness index, up to 100: 100 log10(sum of true ranges / (highest high - lowest low)) / log10(n).

    Of n bars; 100 means no way at all for much movement. Dreiss (1993), as in TradingView. 100 where the
    market stood still.
    """
    n = int(parameters[0])
    scale = 100.0 / math.log10(float(n))
    known, previous = state[0], state[1]
    size = extreme_size_inside(n)
    at = 2 + 3 + n
    ranges, top, bottom = state[at : at + BLOCK], state[at + BLOCK : at + 2 * BLOCK], state[at + 2 * BLOCK :]
    at += 3 * BLOCK
    highs, lows, closes = state[at : at + BLOCK], state[at + BLOCK : at + 2 * BLOCK], state[at + 2 * BLOCK :]
    at += 3 * BLOCK
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        m = stop - start
        result = out[0, start:stop]
        share_holes(high[start:stop], low[start:stop], close[start:stop], highs, lows, closes)
        for i in range(m):
            h, l, c = highs[i], lows[i], closes[i]
            ranges[i] = range_from(h, l, previous) if known == 1.0 else np.nan
            previous = c
            known = 1.0 if math.isfinite(c) else 0.0
        mean_pass(state[2 : 2 + 3 + n], n, ranges[:m], result)
        extreme_pass(state[at : at + size], n, 1.0, highs[:m], top[:m])
        extreme_pass(state[at + size : at + 2 * size], n, -1.0, lows[:m], bottom[:m])
        for i in range(m):
            width = top[i] - bottom[i]
            found = scale * math.log10(n * result[i] / width)
            result[i] = 100.0 if width == 0.0 else found
    state[0], state[1] = known, previous


choppiness = Indicator(
    "choppiness",
    _choppiness_kernel,
    inputs=["high", "low", "close"],
    parameters=[n_bars(default=14, least=2)],
    state=lambda n: 2 + mean_size(n) + 6 * BLOCK + 2 * extreme_size(n),
    warm_up=lambda n: n,
)
