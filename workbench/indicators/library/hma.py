"""Hull moving average."""

import math

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, weighted_pass, weighted_size

__all__ = ["hma"]


@borrowing
def _hma_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Hull's mean: wma(2 wma(x, n / 2) - wma(x, n), sqrt(n)), lookbacks rounded down.

    Hull (2005), alanhull.com/hull-moving-average.
    """
    n = int(parameters[0])
    half, root = n // 2, int(math.sqrt(float(n)))
    first, second = 4 + half, 4 + half + 4 + n
    third = second + 4 + root
    slow, fast = state[third : third + BLOCK], state[third + BLOCK : third + 2 * BLOCK]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        m = stop - start
        weighted_pass(state[:first], half, x[start:stop], fast)
        weighted_pass(state[first:second], n, x[start:stop], slow)
        for i in range(m):
            fast[i] = 2.0 * fast[i] - slow[i]
        weighted_pass(state[second:third], root, fast[:m], out[0, start:stop])


hma = Indicator(
    "hma",
    _hma_kernel,
    parameters=[n_bars(least=2)],
    state=lambda n: weighted_size(n // 2) + weighted_size(n) + weighted_size(math.isqrt(n)) + 2 * BLOCK,
    warm_up=lambda n: n + math.isqrt(n) - 2,
)
