"""Linearly weighted moving average."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import weighted_pass, weighted_size

__all__ = ["wma"]


@borrowing
def _wma_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Mean of the last n values with weights rising to the newest.

    sum(k * x[t-n+k], k = 1 .. n) / (n (n + 1) / 2), as TA-Lib's WMA.
    """
    weighted_pass(state, int(parameters[0]), x, out[0])


wma = Indicator("wma", _wma_kernel, parameters=[n_bars()], state=weighted_size, warm_up=lambda n: n - 1)
