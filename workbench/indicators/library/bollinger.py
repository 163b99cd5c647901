"""Bollinger bands."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, Number, n_bars
from workbench.indicators.library.sma import sma_kernel
from workbench.indicators.library.stdev import stdev_kernel

__all__ = ["bollinger"]

_BLOCK = 1024  # values that stay in the first-level cache between two passes


@borrowing
def _bollinger_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Lower band, mean and upper band: the mean of the last n values and `width` deviations either side.

    Deviations are of the population: Bollinger (2001), Bollinger on Bollinger Bands; TA-Lib's BBANDS.
    """
    n, width = int(parameters[0]), parameters[1]
    for start in range(0, x.shape[0], _BLOCK):
        stop = min(x.shape[0], start + _BLOCK)
        part = x[start:stop]
        _mean(state, parameters, part, out[1, start:stop])
        _deviation(state[3 + n :], parameters, part, out[2, start:stop])
        for i in range(start, stop):
            reach = width * out[2, i]
            out[0, i] = out[1, i] - reach
            out[2, i] = out[1, i] + reach


@borrowing
def _mean(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    sma_kernel(state, parameters, x, out.reshape((1, out.shape[0])))


@borrowing
def _deviation(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    stdev_kernel(state, parameters, x, out.reshape((1, out.shape[0])))


bollinger = Indicator(
    "bollinger",
    _bollinger_kernel,
    parameters=[n_bars(least=2), Number(name="width", low=0.0, high=100.0, default=2.0)],
    outputs=["lower", "middle", "upper"],
    state=lambda n, width: 8 + 2 * n,
    warm_up=lambda n, width: n - 1,
)
