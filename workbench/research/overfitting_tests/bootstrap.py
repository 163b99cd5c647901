"""The stationary bootstrap: samples of a series with its dependence over time kept in blocks."""

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError

__all__ = ["long_run_variance", "stationary_draws"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def stationary_draws(periods: int, *, block: float, draws: int, rng: np.random.Generator) -> Ints:
    """Which periods each sample consists of, shape (draws, periods).

    Blocks begin anywhere, wrap around at the end, and have a geometric length of mean `block`.

    Notes
    -----
    Politis and Romano (1994), "The Stationary Bootstrap", Journal of the American Statistical Association
    89(428).
    """
    if block < 1.0:
        raise BadInputError(f"block: expected a mean length of 1 period or more, found {block}")
    begins = rng.random((draws, periods)) < 1.0 / block
    begins[:, 0] = True
    starts = rng.integers(0, periods, (draws, periods))
    place = np.arange(periods)
    begun = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    found: Ints = (np.take_along_axis(starts, begun, axis=1) + place - begun) % periods
    return found


def long_run_variance(values: Floats, *, block: float) -> Floats:
    """Variance of the root of n times the mean of each column under the stationary bootstrap.

    Notes
    -----
    Autocovariances weighted as in Hansen (2005), "A Test for Superior Predictive Ability", Journal of
    Business & Economic Statistics 23(4), section 3: what the bootstrap has in the limit of many draws.
    """
    periods = len(values)
    centred = values - values.mean(axis=0)
    size = 1 << (2 * periods - 1).bit_length()
    power = np.square(np.abs(np.fft.rfft(centred, size, axis=0)))
    covariance = np.fft.irfft(power, size, axis=0)[:periods] / periods
    lag = np.arange(periods)
    keeps = 1.0 - 1.0 / block
    weight = (1.0 - lag / periods) * keeps**lag + lag / periods * keeps ** (periods - lag)
    weight[0] = 0.5
    found: Floats = 2.0 * weight @ covariance
    return np.maximum(found, 0.0)
