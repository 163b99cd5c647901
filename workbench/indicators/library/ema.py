"""Exponential moving average, with both usual seeds."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Choice, Floats, Indicator, n_bars
from workbench.indicators.passes import fused

__all__ = ["ema"]

_FIRST = 1  # place of the choice


@borrowing
def _ema_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Exponential mean with weight 2 / (n + 1): e[t] = e[t-1] + 2 / (n + 1) * (x[t] - e[t-1]).

    The seed is the mean of the first n values ("mean": TA-Lib) or the first value ("first": most charting
    tools); either way it is NaN before the n-th value.
    """
    n = int(parameters[0])
    first = parameters[1] == _FIRST
    result = out[0]
    count, value = int(state[0]), state[1]
    weight = 2.0 / (n + 1)
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, value = 0, 0.0
            result[i] = np.nan
        elif count >= n:
            value = fused(value, keep, new * weight)
            result[i] = value
        else:
            if first:
                value = new if count == 0 else fused(value, keep, new * weight)
            else:
                value += new
            count += 1
            if count == n and not first:
                value /= n
            result[i] = value if count == n else np.nan
    state[0], state[1] = count, value


ema = Indicator(
    "ema",
    _ema_kernel,
    parameters=[n_bars(), Choice(name="seed", choices=("mean", "first"), default="mean")],
    state=2,
    warm_up=lambda n, seed: n - 1,
)
