"""Rolling linear regression on time."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["linear_regression"]


@borrowing
def _regression_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Least-squares line through the last n values at 0, 1, …, n - 1 (this bar).

    value: the line at this bar; slope per bar; intercept: the line at the oldest; r2: share of the variance
    that the line explains, 0 where the values stood still; forecast: the line at the next bar. TA-Lib's
    LINEARREG, LINEARREG_SLOPE, LINEARREG_INTERCEPT and TSF. Sums are of differences from the first value, so
    they stay exact for prices in points.
    """
    n = int(parameters[0])
    values, slopes, intercepts, shares, forecasts = out[0], out[1], out[2], out[3], out[4]
    count, position, origin = int(state[0]), int(state[1]), state[2]
    total, weighted, squares = state[3], state[4], state[5]
    ring = state[6 : 6 + n]
    times = 0.5 * n * (n - 1.0)
    spread = n * (n * n - 1.0) / 12.0  # of the times: sum of squares about their mean
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, position, total, weighted, squares = 0, 0, 0.0, 0.0, 0.0
            values[i], slopes[i], intercepts[i] = np.nan, np.nan, np.nan
            shares[i], forecasts[i] = np.nan, np.nan
            continue
        if count == 0:
            origin = new
        difference = new - origin
        if count >= n:
            old = ring[position]
            weighted += (n - 1.0) * difference - (total - old)
            total += difference - old
            squares += difference * difference - old * old
        else:
            weighted += count * difference
            total += difference
            squares += difference * difference
            count += 1
        ring[position] = difference
        position += 1
        if position == n:
            position = 0
        if count < n:
            values[i], slopes[i], intercepts[i] = np.nan, np.nan, np.nan
            shares[i], forecasts[i] = np.nan, np.nan
            continue
        together = weighted - times * total / n
        slope = together / spread
        intercept = (total - slope * times) / n + origin
        slopes[i], intercepts[i] = slope, intercept
        values[i] = intercept + slope * (n - 1.0)
        forecasts[i] = intercept + slope * n
        own = squares - total * total / n
        share = together * together / (spread * own)
        shares[i] = min(share, 1.0) if own > 0.0 else 0.0
    state[0], state[1], state[2] = count, position, origin
    state[3], state[4], state[5] = total, weighted, squares


linear_regression = Indicator(
    "linear_regression",
    _regression_kernel,
    parameters=[n_bars(default=14, least=2)],
    outputs=["value", "slope", "intercept", "r2", "forecast"],
    state=lambda n: 6 + n,
    warm_up=lambda n: n - 1,
)
