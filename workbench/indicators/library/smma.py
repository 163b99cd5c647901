"""Smoothed moving average."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import smooth_pass

__all__ = ["smma"]


@borrowing
def _smma_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Wilder's mean, also RMA: s[t] = s[t-1] + (x[t] - s[t-1]) / n, seeded with the mean of the first n.

    Wilder (1978), New Concepts in Technical Trading Systems.
    """
    n = int(parameters[0])
    smooth_pass(state, n, 1.0 / n, x, out[0])


smma = Indicator("smma", _smma_kernel, parameters=[n_bars()], state=2, warm_up=lambda n: n - 1)
