"""Moving average convergence and divergence, as a difference and in percent."""

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, all_finite, fused, smooth_next

__all__ = ["macd", "ppo"]

_PARAMETERS = [n_bars("fast", default=12), n_bars("slow", default=26), n_bars("signal", default=9)]


@borrowing
def _macd_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """MACD line, signal and histogram: ema(fast) - ema(slow), its own ema(signal), and the difference.

    Each mean is seeded with the mean of its own first values: Appel (2005), Technical Analysis. TA-Lib's MACD
    starts the fast mean later, so its first values differ; the difference dies out as a seed does.
    """
    fast, slow, signal = int(parameters[0]), int(parameters[1]), int(parameters[2])
    percent = parameters[3] == 1.0
    weight_1, weight_2, weight_3 = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    lines, smooths, rests = out[0], out[1], out[2]
    count_1, value_1 = int(state[0]), state[1]
    count_2, value_2 = int(state[2]), state[3]
    count_3, value_3 = int(state[4]), state[5]
    whole = False
    for i in range(x.shape[0]):
        if i % BLOCK == 0:
            known = count_1 >= fast and count_2 >= slow and count_3 >= signal
            whole = known and not percent and all_finite(x[i : i + BLOCK])
        if whole:  # the same without asking
            value_1 = fused(value_1, 1.0 - weight_1, x[i] * weight_1)
            value_2 = fused(value_2, 1.0 - weight_2, x[i] * weight_2)
            line = value_1 - value_2
            value_3 = fused(value_3, 1.0 - weight_3, line * weight_3)
            lines[i] = line
            smooths[i] = value_3
            rests[i] = line - value_3
            continue
        count_1, value_1 = smooth_next(count_1, value_1, fast, weight_1, x[i])
        count_2, value_2 = smooth_next(count_2, value_2, slow, weight_2, x[i])
        line = np.nan
        if count_1 >= fast and count_2 >= slow:
            line = value_1 - value_2
            if percent:
                line = 100.0 * line / value_2
        count_3, value_3 = smooth_next(count_3, value_3, signal, weight_3, line)
        smooth = value_3 if count_3 >= signal else np.nan
        lines[i] = line
        smooths[i] = smooth
        rests[i] = line - smooth
    state[0], state[1], state[2], state[3] = count_1, value_1, count_2, value_2
    state[4], state[5] = count_3, value_3


macd = Indicator(
    "macd",
    _macd_kernel,
    parameters=_PARAMETERS,
    outputs=["line", "signal", "histogram"],
    state=6,
    warm_up=lambda fast, slow, signal: max(fast, slow) + signal - 2,
    constants=[0.0],
)
ppo = Indicator(
    "ppo",
    _macd_kernel,
    parameters=_PARAMETERS,
    outputs=["line", "signal", "histogram"],
    state=6,
    warm_up=lambda fast, slow, signal: max(fast, slow) + signal - 2,
    constants=[1.0],
    doc="""Percentage price oscillator: MACD as percent of the slow mean; line, signal and histogram.

    100 * (ema(fast) - ema(slow)) / ema(slow): Appel (2005), Technical Analysis.
    """,
)
