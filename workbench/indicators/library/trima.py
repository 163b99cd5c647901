"""Triangular moving average."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, mean_pass, mean_size

__all__ = ["trima"]


@borrowing
def _trima_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Mean of the last n with weights rising to the middle: the mean of a mean; TA-Lib's TRIMA."""
    n = int(parameters[0])
    one, two = (n + 1) // 2, n // 2 + 1
    first, second = 3 + one, 3 + one + 3 + two
    inner = state[second : second + BLOCK]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        mean_pass(state[:first], one, x[start:stop], inner)
        mean_pass(state[first:second], two, inner[: stop - start], out[0, start:stop])


trima = Indicator(
    "trima",
    _trima_kernel,
    parameters=[n_bars()],
    state=lambda n: mean_size((n + 1) // 2) + mean_size(n // 2 + 1) + BLOCK,
    warm_up=lambda n: n - 1,
)
