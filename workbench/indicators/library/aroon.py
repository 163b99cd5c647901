"""How long ago the extremes were: bars since, and Aroon."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, share_holes

__all__ = ["aroon", "highest_bars", "lowest_bars"]


@borrowing
def _age_pass(state: Floats, n: int, sign: float, x: Floats, out: Floats) -> None:
    """Bars since the greatest of the last n of ``sign * x``, the latest of equal ones.

    State: count, position, greatest, its age, n values twice.
    """
    count, position, best, age = int(state[0]), int(state[1]), state[2], int(state[3])
    ring = state[4 : 4 + 2 * n]
    for i in range(x.shape[0]):
        value = sign * x[i]
        if not math.isfinite(value):
            count, position = 0, 0
            out[i] = np.nan
            continue
        ring[position] = value
        ring[position + n] = value  # twice, so that a window is never cut
        age += 1
        if count == 0 or value >= best:
            best, age = value, 0
        elif age >= n:  # it has left: look through the others, the oldest first
            window = ring[position + 1 : position + n + 1]
            best, place = window[0], 0
            for k in range(1, n):
                if window[k] >= best:
                    best, place = window[k], k
            age = n - 1 - place
        position += 1
        if position == n:
            position = 0
        if count < n:
            count += 1
        out[i] = age if count >= n else np.nan
    state[0], state[1], state[2], state[3] = count, position, best, age


@borrowing
def _age_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    _age_pass(state, int(parameters[0]), parameters[1], x, out[0])


@borrowing
def _aroon_kernel(state: Floats, parameters: Floats, high: Floats, low: Floats, out: Floats) -> None:
    """Aroon up, down (0 to 100) and their difference: 100 (n - bars since the extreme of n + 1 bars) / n.

    Chande (1995), Technical Analysis of Stocks & Commodities 13(9); TA-Lib's AROON and AROONOSC.
    """
    n = int(parameters[0])
    size = 4 + 2 * (n + 1)
    highs, lows, rest = state[2 * size :], state[2 * size + BLOCK :], state[2 * size + 2 * BLOCK :]
    up, down, difference = out[0], out[1], out[2]
    scale = 100.0 / n
    for start in range(0, high.shape[0], BLOCK):
        stop = min(high.shape[0], start + BLOCK)
        share_holes(high[start:stop], low[start:stop], low[start:stop], highs, lows, rest)
        _age_pass(state[:size], n + 1, 1.0, highs[: stop - start], up[start:stop])
        _age_pass(state[size : 2 * size], n + 1, -1.0, lows[: stop - start], down[start:stop])
    for i in range(high.shape[0]):
        up[i] = scale * (n - up[i])
        down[i] = scale * (n - down[i])
        difference[i] = up[i] - down[i]


highest_bars = Indicator(
    "highest_bars",
    _age_kernel,
    parameters=[n_bars()],
    state=lambda n: 4 + 2 * n,
    warm_up=lambda n: n - 1,
    constants=[1.0],
    doc="Bars since the greatest of the last n values, 0 for this one; the latest of equal ones.",
)
lowest_bars = Indicator(
    "lowest_bars",
    _age_kernel,
    parameters=[n_bars()],
    state=lambda n: 4 + 2 * n,
    warm_up=lambda n: n - 1,
    constants=[-1.0],
    doc="Bars since the least of the last n values, 0 for this one; the latest of equal ones.",
)
aroon = Indicator(
    "aroon",
    _aroon_kernel,
    inputs=["high", "low"],
    parameters=[n_bars(default=14)],
    outputs=["up", "down", "oscillator"],
    state=lambda n: 2 * (4 + 2 * (n + 1)) + 3 * BLOCK,
    warm_up=lambda n: n,
)
