"""Double and triple exponential moving averages, and TRIX."""

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, all_finite, fused, smooth_next

__all__ = ["dema", "tema", "trix"]

_DOUBLE, _TRIPLE, _TRIX = 2.0, 3.0, 4.0


@borrowing
def _chain_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Exponential means of exponential means: first, second and third; what is made of them by kind."""
    n, kind = int(parameters[0]), parameters[1]
    weight = 2.0 / (n + 1)
    result = out[0]
    count_1, value_1 = int(state[0]), state[1]
    count_2, value_2 = int(state[2]), state[3]
    count_3, value_3 = int(state[4]), state[5]
    keep = 1.0 - weight
    whole = False
    for i in range(x.shape[0]):
        if i % BLOCK == 0:
            known = count_1 >= n and count_2 >= n and (count_3 >= n or kind == _DOUBLE)
            whole = known and all_finite(x[i : i + BLOCK])
        if whole:  # the same without asking
            value_1 = fused(value_1, keep, x[i] * weight)
            value_2 = fused(value_2, keep, value_1 * weight)
            if kind == _DOUBLE:
                result[i] = 2.0 * value_1 - value_2
                continue
            value_3 = fused(value_3, keep, value_2 * weight)
            result[i] = 3.0 * value_1 - 3.0 * value_2 + value_3 if kind == _TRIPLE else value_3
            continue
        count_1, value_1 = smooth_next(count_1, value_1, n, weight, x[i])
        count_2, value_2 = smooth_next(count_2, value_2, n, weight, value_1 if count_1 >= n else np.nan)
        if kind == _DOUBLE:
            result[i] = 2.0 * value_1 - value_2 if count_2 >= n else np.nan
            continue
        count_3, value_3 = smooth_next(count_3, value_3, n, weight, value_2 if count_2 >= n else np.nan)
        found = 3.0 * value_1 - 3.0 * value_2 + value_3 if kind == _TRIPLE else value_3
        result[i] = found if count_3 >= n else np.nan
    state[0], state[1], state[2], state[3] = count_1, value_1, count_2, value_2
    state[4], state[5] = count_3, value_3


@borrowing
def _trix_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Change of the ema of the ema of the ema over one bar, in percent: Hutson (1983); TA-Lib's TRIX."""
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        result, means = out[0, start:stop], state[7:]  # one mean from before, then those of the block
        means[0] = state[6]
        _chain_kernel(state, parameters, x[start:stop], means[1:].reshape((1, BLOCK)))
        for i in range(stop - start):
            result[i] = (means[i + 1] / means[i] - 1.0) * 100.0
        state[6] = means[stop - start]


dema = Indicator(
    "dema",
    _chain_kernel,
    parameters=[n_bars()],
    state=7,
    warm_up=lambda n: 2 * (n - 1),
    constants=[_DOUBLE],
    doc="""Double exponential mean: 2 ema(x) - ema(ema(x)).

    Mulloy (1994), Technical Analysis of Stocks & Commodities 12(1); TA-Lib's DEMA.
    """,
)
tema = Indicator(
    "tema",
    _chain_kernel,
    parameters=[n_bars()],
    state=7,
    warm_up=lambda n: 3 * (n - 1),
    constants=[_TRIPLE],
    doc="""Triple exponential mean: 3 ema(x) - 3 ema(ema(x)) + ema(ema(ema(x))).

    Mulloy (1994), Technical Analysis of Stocks & Commodities 12(1); TA-Lib's TEMA.
    """,
)
trix = Indicator(
    "trix",
    _trix_kernel,
    parameters=[n_bars(default=30)],
    state=lambda n: 8 + BLOCK,
    warm_up=lambda n: 3 * (n - 1) + 1,
    constants=[_TRIX],
)
