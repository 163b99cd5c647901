"""Steps of means, for the indicators that are made of them: one value in, the mean out, state in place."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing_inline
from workbench.indicators.declaring import Floats

__all__ = ["ema_step", "mean_step", "smma_step"]


@borrowing_inline
def ema_step(state: Floats, at: int, n: int, value: float) -> float:
    """Exponential mean with weight 2 / (n + 1), seeded with the mean of the first n. State: 2 values."""
    return smooth_step(state, at, n, 2.0 / (n + 1), value)


@borrowing_inline
def smma_step(state: Floats, at: int, n: int, value: float) -> float:
    """Wilder's mean: the same with weight 1 / n. State: 2 values."""
    return smooth_step(state, at, n, 1.0 / n, value)


@borrowing_inline
def smooth_step(state: Floats, at: int, n: int, weight: float, value: float) -> float:
    """Exponential mean of any weight, seeded with the mean of the first n. State: count, value."""
    if not math.isfinite(value):
        state[at] = 0.0
        state[at + 1] = 0.0
        return np.nan
    if state[at] >= n:
        state[at + 1] = state[at + 1] * (1.0 - weight) + value * weight
        return float(state[at + 1])
    state[at] += 1.0
    state[at + 1] += value
    if state[at] >= n:
        state[at + 1] /= n
        return float(state[at + 1])
    return np.nan


@borrowing_inline
def mean_step(state: Floats, at: int, n: int, value: float) -> float:
    """Mean of the last n. State: count, position, sum and n values."""
    if not math.isfinite(value):
        state[at] = 0.0
        state[at + 1] = 0.0
        state[at + 2] = 0.0
        return np.nan
    place = at + 3 + int(state[at + 1])
    if state[at] >= n:
        state[at + 2] += value - state[place]
    else:
        state[at + 2] += value
        state[at] += 1.0
    state[place] = value
    state[at + 1] = state[at + 1] + 1.0 if state[at + 1] + 1.0 < n else 0.0
    return float(state[at + 2] / n) if state[at] >= n else np.nan
