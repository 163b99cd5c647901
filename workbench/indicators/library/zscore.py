"""Z-score."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, deviation_pass, deviation_size

__all__ = ["zscore"]


@borrowing
def _zscore_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Distance from the mean of the last n in their population deviations; 0 where x stood still."""
    n = int(parameters[0])
    mean = state[6 + n :]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        part, result = x[start:stop], out[0, start:stop]
        deviation_pass(state, n, part, mean, result)
        for i in range(stop - start):
            away = (part[i] - mean[i]) / result[i]
            result[i] = 0.0 if result[i] == 0.0 else away


zscore = Indicator(
    "zscore",
    _zscore_kernel,
    parameters=[n_bars(least=2)],
    state=lambda n: deviation_size(n) + BLOCK,
    warm_up=lambda n: n - 1,
)
