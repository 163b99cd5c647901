"""Rolling correlation and beta of two series."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["beta", "correlation"]

_CORRELATION, _BETA = 0.0, 1.0


@borrowing
def _pair_kernel(state: Floats, parameters: Floats, x: Floats, y: Floats, out: Floats) -> None:
    n, kind = int(parameters[0]), parameters[1]
    result = out[0]
    count, position, origin_x, origin_y = int(state[0]), int(state[1]), state[2], state[3]
    sum_x, sum_y, sum_xx, sum_yy, sum_xy = state[4], state[5], state[6], state[7], state[8]
    ring_x, ring_y = state[9 : 9 + n], state[9 + n : 9 + 2 * n]
    for i in range(x.shape[0]):
        if not math.isfinite(x[i] + y[i]):
            count, position = 0, 0
            sum_x, sum_y, sum_xx, sum_yy, sum_xy = 0.0, 0.0, 0.0, 0.0, 0.0
            result[i] = np.nan
            continue
        if count == 0:
            origin_x, origin_y = x[i], y[i]
        a, b = x[i] - origin_x, y[i] - origin_y
        if count >= n:
            c, d = ring_x[position], ring_y[position]
            sum_x += a - c
            sum_y += b - d
            sum_xx += a * a - c * c
            sum_yy += b * b - d * d
            sum_xy += a * b - c * d
        else:
            count += 1
            sum_x += a
            sum_y += b
            sum_xx += a * a
            sum_yy += b * b
            sum_xy += a * b
        ring_x[position] = a
        ring_y[position] = b
        position += 1
        if position == n:
            position = 0
        if count < n:
            result[i] = np.nan
            continue
        own_x = n * sum_xx - sum_x * sum_x
        own_y = n * sum_yy - sum_y * sum_y
        together = n * sum_xy - sum_x * sum_y
        if kind == _BETA:
            result[i] = together / own_x if own_x > 0.0 else 0.0
        else:
            width = own_x * own_y
            found = together / math.sqrt(width) if width > 0.0 else 0.0
            result[i] = min(max(found, -1.0), 1.0)
    state[0], state[1], state[2], state[3] = count, position, origin_x, origin_y
    state[4], state[5], state[6], state[7], state[8] = sum_x, sum_y, sum_xx, sum_yy, sum_xy


correlation = Indicator(
    "correlation",
    _pair_kernel,
    inputs=["x", "y"],
    parameters=[n_bars(default=30, least=2)],
    state=lambda n: 9 + 2 * n,
    warm_up=lambda n: n - 1,
    constants=[_CORRELATION],
    doc="Pearson's correlation of the last n of two series; 0 where one stood still; TA-Lib's CORREL.",
)
beta = Indicator(
    "beta",
    _pair_kernel,
    inputs=["x", "y"],
    parameters=[n_bars(default=30, least=2)],
    state=lambda n: 9 + 2 * n,
    warm_up=lambda n: n - 1,
    constants=[_BETA],
    doc="""Slope of y on x over the last n values: cov(x, y) / var(x); 0 where x stood still.

    A hedge ratio when given prices; TA-Lib's BETA is this one given simple returns.
    """,
)
