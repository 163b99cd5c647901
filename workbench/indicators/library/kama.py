"""Kaufman's adaptive moving average."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import fused

__all__ = ["kama"]


@borrowing
def _kama_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Kaufman's adaptive mean: k[t] = k[t-1] + c^2 (x[t] - k[t-1]), c between those of two exponential means.

    c goes from 2 / (slow + 1) to 2 / (fast + 1) with the efficiency |x[t] - x[t-n]| / sum |x[t] - x[t-1]|;
    the value before the first is x[n-1]: Kaufman (1995), Smarter Trading; TA-Lib's KAMA.
    """
    n, fast, slow = int(parameters[0]), parameters[1], parameters[2]
    least, most = 2.0 / (slow + 1.0), 2.0 / (fast + 1.0)
    result = out[0]
    count, position, moved, value, previous = int(state[0]), int(state[1]), state[2], state[3], state[4]
    ring = state[5 : 5 + n]  # the last n values
    steps = state[5 + n : 5 + 2 * n]  # and their steps
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, position, moved = 0, 0, 0.0
            result[i] = np.nan
            continue
        step = abs(new - previous) if count > 0 else 0.0
        oldest = ring[position]
        if count > n:
            moved += step - steps[position]
        else:
            moved += step
            count += 1
        if count > n:
            way = abs(new - oldest)
            efficiency = way / moved if moved > way else 1.0
            pull = fused(efficiency, most - least, least)
            value = fused(pull * pull, new - value, value)
            result[i] = value
        else:
            value = new
            result[i] = np.nan
        ring[position] = new
        steps[position] = step
        position += 1
        if position == n:
            position = 0
        previous = new
    state[0], state[1], state[2], state[3], state[4] = count, position, moved, value, previous


kama = Indicator(
    "kama",
    _kama_kernel,
    parameters=[n_bars(default=10), n_bars("fast", default=2), n_bars("slow", default=30)],
    state=lambda n, fast, slow: 5 + 2 * n,
    warm_up=lambda n, fast, slow: n,
)
