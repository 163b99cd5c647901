"""Bollinger bands, and what is read off them."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, Number, n_bars
from workbench.indicators.passes import BLOCK, deviation_pass, deviation_size

__all__ = ["band_width", "bollinger", "percent_b"]

_PARAMETERS = [n_bars(least=2), Number(name="width", low=0.0, high=100.0, default=2.0)]


@borrowing
def _bollinger_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Lower band, mean and upper band: the mean of the last n values and `width` deviations either side.

    Deviations are of the population: Bollinger (2001), Bollinger on Bollinger Bands; TA-Lib's BBANDS.
    """
    n, width = int(parameters[0]), parameters[1]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        lower, middle, upper = out[0, start:stop], out[1, start:stop], out[2, start:stop]
        deviation_pass(state, n, x[start:stop], middle, upper)
        for i in range(stop - start):
            reach = width * upper[i]
            lower[i] = middle[i] - reach
            upper[i] = middle[i] + reach


@borrowing
def _percent_b_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Where the value lies between the Bollinger bands: 0 at the lower, 1 at the upper.

    (x - lower) / (upper - lower): Bollinger (2001). 0.5 where the bands meet.
    """
    n, width = int(parameters[0]), parameters[1]
    mean = state[6 + n :]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        part, result = x[start:stop], out[0, start:stop]
        deviation_pass(state, n, part, mean, result)
        for i in range(stop - start):
            reach = width * result[i]
            place = (part[i] - mean[i] + reach) / (2.0 * reach)
            result[i] = 0.5 if reach == 0.0 else place


@borrowing
def _band_width_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Distance of the Bollinger bands as a fraction of the mean: (upper - lower) / middle.

    Bollinger (2001), Bollinger on Bollinger Bands.
    """
    n, width = int(parameters[0]), parameters[1]
    mean = state[6 + n :]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        result = out[0, start:stop]
        deviation_pass(state, n, x[start:stop], mean, result)
        for i in range(stop - start):
            result[i] = 2.0 * width * result[i] / mean[i]


bollinger = Indicator(
    "bollinger",
    _bollinger_kernel,
    parameters=_PARAMETERS,
    outputs=["lower", "middle", "upper"],
    state=lambda n, width: deviation_size(n),
    warm_up=lambda n, width: n - 1,
)
percent_b = Indicator(
    "percent_b",
    _percent_b_kernel,
    parameters=_PARAMETERS,
    state=lambda n, width: deviation_size(n) + BLOCK,
    warm_up=lambda n, width: n - 1,
)
band_width = Indicator(
    "band_width",
    _band_width_kernel,
    parameters=_PARAMETERS,
    state=lambda n, width: deviation_size(n) + BLOCK,
    warm_up=lambda n, width: n - 1,
)
