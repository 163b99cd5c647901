"""Ichimoku, read without looking ahead."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, extreme_pass, extreme_size, extreme_size_inside, share_holes

__all__ = ["ichimoku"]


@borrowing
def _ichimoku_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Ichimoku's five lines as they can be read at the bar: nothing is taken from the future.

    conversion, base: the middle of the highest high and the lowest low of 9 and 26 bars. span_a, span_b: the
    cloud that a chart shows AT this bar, which was drawn `displacement` bars ago and displaced forward to it:
    the mean of conversion and base, and the middle of 52 bars, both as of then. lagging: a chart draws the
    close `displacement` bars back, over the price of then; read now, that is this close less the close of
    then. Hosoda (1969); Patel (2010), Trading with Ichimoku Clouds.
    """
    displacement = int(parameters[3])
    position, count = int(state[0]), int(state[1])
    ring_a = state[2 : 2 + displacement]
    ring_b = state[2 + displacement : 2 + 2 * displacement]
    closes = state[2 + 2 * displacement : 2 + 3 * displacement]
    at = 2 + 3 * displacement
    top, highs = state[at : at + BLOCK], state[at + BLOCK : at + 2 * BLOCK]
    lows, shared = state[at + 2 * BLOCK : at + 3 * BLOCK], state[at + 3 * BLOCK : at + 4 * BLOCK]
    at += 4 * BLOCK
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        m = stop - start
        conversion, base, span_a = out[0, start:stop], out[1, start:stop], out[2, start:stop]
        span_b, lagging, part = out[3, start:stop], out[4, start:stop], shared
        share_holes(high[start:stop], low[start:stop], close[start:stop], highs, lows, shared)
        place = at
        for k in range(3):
            n = int(parameters[k])
            size = extreme_size_inside(n)
            middle = conversion if k == 0 else base if k == 1 else span_b
            extreme_pass(state[place : place + size], n, 1.0, highs[:m], top[:m])
            extreme_pass(state[place + size : place + 2 * size], n, -1.0, lows[:m], middle)
            for i in range(m):
                middle[i] = 0.5 * (middle[i] + top[i])
            place += 2 * size
        for i in range(m):
            new = part[i]
            if not math.isfinite(new):
                count, position = 0, 0
                span_a[i], span_b[i], lagging[i] = np.nan, np.nan, np.nan
                continue
            old_a, old_b, old = ring_a[position], ring_b[position], closes[position]
            ring_a[position] = 0.5 * (conversion[i] + base[i])
            ring_b[position] = span_b[i]
            closes[position] = new
            position += 1
            if position == displacement:
                position = 0
            known = count >= displacement
            count = min(count + 1, displacement)
            span_a[i] = old_a if known else np.nan
            span_b[i] = old_b if known else np.nan
            lagging[i] = new - old if known else np.nan
    state[0], state[1] = position, count


ichimoku = Indicator(
    "ichimoku",
    _ichimoku_kernel,
    inputs=["high", "low", "close"],
    parameters=[
        n_bars("conversion", default=9),
        n_bars("base", default=26),
        n_bars("span", default=52),
        n_bars("displacement", default=26),
    ],
    outputs=["conversion", "base", "span_a", "span_b", "lagging"],
    state=lambda conversion, base, span, displacement: (
        2 + 3 * displacement + 4 * BLOCK + 2 * sum(extreme_size(n) for n in (conversion, base, span))
    ),
    warm_up=lambda conversion, base, span, displacement: max(conversion, base, span) - 1 + displacement,
)
