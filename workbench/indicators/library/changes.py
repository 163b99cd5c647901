"""Momentum, rate of change and logarithmic return."""

import math
from typing import Any

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, all_finite

__all__ = ["log_return", "momentum", "roc"]

_MOST = 1.7976931348623157e308  # the greatest finite number
_WIDEST = 16 * BLOCK
_DIFFERENCE, _PERCENT, _LOGARITHM = 0.0, 1.0, 2.0


@borrowing
def _change_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    n, kind = int(parameters[0]), parameters[1]
    result = out[0]
    count, position = int(state[0]), int(state[1])
    ring = state[2 : 2 + n]
    m = x.shape[0]
    start, run = 0, 0  # run: where the values without a hole begin
    wide = _WIDEST  # how many are tried at once: fewer after a hole
    while start < m:
        stop = min(m, start + wide)
        whole = count >= n and start - run >= n
        if whole and _changes(x[start:stop], x[start - n : stop - n], kind, result[start:stop]) == 0:
            for k in range(n):
                ring[k] = x[stop - n + k]
            position = 0
            wide = min(2 * wide, _WIDEST)
        else:
            wide = BLOCK
            stop = min(stop, start + max(n, 32))
            count, position, run = _one_by_one(ring, count, position, run, kind, x, start, stop, result)
        start = stop
    state[0], state[1] = count, position


@borrowing
def _changes(new: Floats, old: Floats, kind: float, out: Floats) -> int:
    """Changes as if there were no holes; how many there are."""
    holes = 0
    if kind == _DIFFERENCE:
        for i in range(out.shape[0]):
            out[i] = new[i] - old[i]
            holes += not abs(new[i]) <= _MOST
        return holes
    if not all_finite(new):
        return 1
    if kind == _PERCENT:
        for i in range(out.shape[0]):
            out[i] = (new[i] / old[i] - 1.0) * 100.0
    else:
        for i in range(out.shape[0]):
            out[i] = math.log(new[i] / old[i])
    return 0


@borrowing
def _one_by_one(
    ring: Floats,
    count: int,
    position: int,
    run: int,
    kind: float,
    x: Floats,
    start: int,
    stop: int,
    result: Floats,
) -> Any:
    n = ring.shape[0]
    for i in range(start, stop):
        new = x[i]
        if not math.isfinite(new):
            count, position, run = 0, 0, i + 1
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
    return count, position, run


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
