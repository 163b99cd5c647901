"""Momentum, rate of change and logarithmic return."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["log_return", "momentum", "roc"]

_DIFFERENCE, _PERCENT, _LOGARITHM = 0.0, 1.0, 2.0


@borrowing
def _change_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    n, kind = int(parameters[0]), parameters[1]
    result = out[0]
    count, position = int(state[0]), int(state[1])
    ring = state[2 : 2 + n]
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, position = 0, 0
            result[i] = np.nan
            continue
        old = ring[position]
        ring[position] = new
        position += 1
        if position == n:
            position = 0
        if count < n:
            count += 1
            result[i] = np.nan
        elif kind == _DIFFERENCE:
            result[i] = new - old
        elif kind == _PERCENT:
            result[i] = (new / old - 1.0) * 100.0
        else:
            result[i] = math.log(new / old)
    state[0], state[1] = count, position


momentum = Indicator(
    "momentum",
    _change_kernel,
    parameters=[n_bars(default=10)],
    state=lambda n: 2 + n,
    warm_up=lambda n: n,
    constants=[_DIFFERENCE],
    doc="Change over n bars: x[t] - x[t-n]; TA-Lib's MOM.",
)
roc = Indicator(
    "roc",
    _change_kernel,
    parameters=[n_bars(default=10)],
    state=lambda n: 2 + n,
    warm_up=lambda n: n,
    constants=[_PERCENT],
    doc="Rate of change over n bars in percent: 100 (x[t] / x[t-n] - 1); TA-Lib's ROC.",
)
log_return = Indicator(
    "log_return",
    _change_kernel,
    parameters=[n_bars(default=1)],
    state=lambda n: 2 + n,
    warm_up=lambda n: n,
    constants=[_LOGARITHM],
    doc="Logarithmic return over n bars: log(x[t] / x[t-n]).",
)
