"""Simple moving average."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import mean_pass, mean_size

__all__ = ["sma"]


@borrowing
def _sma_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Simple mean of the last n values: sum(x[t-n+1 .. t]) / n.

    Prices come in as whole or half points, so the running sum is exact and means that tie are equal.
    """
    mean_pass(state, int(parameters[0]), x, out[0])


sma = Indicator("sma", _sma_kernel, parameters=[n_bars()], state=mean_size, warm_up=lambda n: n - 1)
