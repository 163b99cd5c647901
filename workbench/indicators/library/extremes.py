"""Highest and lowest of the last values."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars

__all__ = ["highest", "lowest"]


@borrowing
def _extreme_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Greatest of the last n values of ``sign * x``, times sign.

    Values come in blocks of n. A window is the end of one block and the beginning of the next: the greatest
    of the one is looked up (`ends`, worked out when a block is full), that of the other is carried along
    (van Herk 1992). State: count, position in the block, greatest of the block so far, n values, n ends.
    """
    n, sign = int(parameters[0]), parameters[1]
    result = out[0]
    count, position, best = int(state[0]), int(state[1]), state[2]
    values = state[3 : 3 + n]
    ends = state[3 + n : 3 + 2 * n]
    for i in range(x.shape[0]):
        value = sign * x[i]
        if not math.isfinite(value):
            count, position = 0, 0
            result[i] = np.nan
            continue
        best = value if position == 0 or value > best else best
        values[position] = value
        position += 1
        if count < n:
            count += 1
        if position < n:
            end = ends[position]
            result[i] = sign * (best if best > end else end) if count >= n else np.nan
        else:
            result[i] = sign * best if count >= n else np.nan
            position = 0
            end = value
            for j in range(n - 1, -1, -1):
                end = values[j] if values[j] > end else end
                ends[j] = end
    state[0], state[1], state[2] = count, position, best


highest = Indicator(
    "highest",
    _extreme_kernel,
    parameters=[n_bars()],
    state=lambda n: 3 + 2 * n,
    warm_up=lambda n: n - 1,
    constants=[1.0],
    doc="Greatest of the last n values, this one included; take ``.lag(1)`` for a breakout level.",
)
lowest = Indicator(
    "lowest",
    _extreme_kernel,
    parameters=[n_bars()],
    state=lambda n: 3 + 2 * n,
    warm_up=lambda n: n - 1,
    constants=[-1.0],
    doc="Least of the last n values, this one included; take ``.lag(1)`` for a breakout level.",
)
