"""Standard deviation of the last values."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, deviation_pass, deviation_size

__all__ = ["stdev"]


@borrowing
def _stdev_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Population standard deviation of the last n values (TA-Lib's STDDEV, pandas' with ddof=0)."""
    n = int(parameters[0])
    mean = state[6 + n :]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        deviation_pass(state, n, x[start:stop], mean, out[0, start:stop])


stdev = Indicator(
    "stdev",
    _stdev_kernel,
    parameters=[n_bars(least=2)],
    state=lambda n: deviation_size(n) + BLOCK,
    warm_up=lambda n: n - 1,
)
