"""What the best of many trials is worth.

Sharpe ratios in here are per period (not annualized) unless a name says otherwise; kurtosis is raw (3 for
a normal distribution).
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError

__all__ = ["deflated_sharpe_ratio", "expected_maximum_sharpe", "probabilistic_sharpe_ratio"]

_NORMAL = NormalDist()
_EULER_GAMMA = 0.5772156649015329
_EXACT_BELOW = 5  # the extreme-value formula is 8 % off at two trials


def expected_maximum_sharpe(trials: int, *, variance: float = 1.0) -> float:
    """Sharpe ratio that the best of `trials` independent variants shows on average when none has skill.

    Parameters
    ----------
    trials
        How many variants were tried.
    variance
        Variance of the variants' Sharpe ratios, in the period in which the answer is wanted.

    Notes
    -----
    ``sqrt(V) ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e)))`` with Euler's g and the normal quantile Z: Bailey
    and Lopez de Prado (2014), "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5). Below
    five trials the mean of the largest of N standard normals is integrated instead; one trial gives zero.
    """
    if trials < 1 or variance < 0:
        raise BadInputError(
            f"expected 1 trial or more and a variance of 0 or more, found {trials} and {variance}"
        )
    if trials == 1:
        return 0.0
    if trials < _EXACT_BELOW:
        return math.sqrt(variance) * _mean_of_largest(trials)
    near = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    far = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - _EULER_GAMMA) * near + _EULER_GAMMA * far)


def probabilistic_sharpe_ratio(
    sharpe: float, *, periods: int, benchmark: float = 0.0, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true Sharpe ratio is above `benchmark`, given `sharpe` over `periods`.

    Notes
    -----
    Variance at the observed ratio: Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient
    Frontier", Journal of Risk 15(2).
    """
    if periods < 2:
        raise BadInputError(f"expected 2 periods or more, found {periods}")
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if variance <= 0.0:
        raise BadInputError(
            f"skew {skew} and kurtosis {kurtosis} leave no variance at a Sharpe ratio of {sharpe}; "
            "take a longer sample"
        )
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(periods - 1) / math.sqrt(variance))


def deflated_sharpe_ratio(
    sharpe: float, *, periods: int, trials: int, variance: float, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the best of `trials` has skill: that it beats the expected maximum of the unskilled.

    Parameters
    ----------
    variance
        Variance of the Sharpe ratios (per period) of the trials.
    """
    benchmark = expected_maximum_sharpe(trials, variance=variance)
    return probabilistic_sharpe_ratio(
        sharpe, periods=periods, benchmark=benchmark, skew=skew, kurtosis=kurtosis
    )


def _mean_of_largest(trials: int) -> float:
    """Mean of the largest of a few standard normals, by Simpson's rule over ``x n pdf(x) cdf(x)^(n-1)``."""
    x: npt.NDArray[np.float64] = np.linspace(-10.0, 10.0, 4_001)
    density = np.array([_NORMAL.pdf(item) for item in x])
    below = np.array([_NORMAL.cdf(item) for item in x])
    weights = np.ones(x.size)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    step = float(x[1] - x[0])
    return float(np.sum(weights * x * trials * density * below ** (trials - 1)) * step / 3.0)
