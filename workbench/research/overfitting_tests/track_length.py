"""How long a track must be before a Sharpe ratio means anything."""

import math
from statistics import NormalDist

from workbench.errors import BadInputError
from workbench.research.overfitting import expected_maximum_sharpe

__all__ = ["minimum_backtest_years", "minimum_track_record"]

_NORMAL = NormalDist()


def minimum_backtest_years(trials: int, *, sharpe: float = 1.0) -> float:
    """Years below which the best of `trials` without skill shows an annual `sharpe` on average.

    Notes
    -----
    Bailey, Borwein, Lopez de Prado and Zhu (2014), "Pseudo-Mathematics and Financial Charlatanism", Notices
    of the AMS 61(5): five years allow no more than 45 trials at a Sharpe ratio of 1.
    """
    if sharpe <= 0.0:
        raise BadInputError(f"sharpe: expected an annual ratio above 0, found {sharpe}")
    return (expected_maximum_sharpe(trials) / sharpe) ** 2


def minimum_track_record(
    sharpe: float,
    *,
    benchmark: float = 0.0,
    confidence: float = 0.95,
    skew: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Periods needed before `sharpe` (per period) is above `benchmark` with `confidence`.

    Infinite when it is not above it.

    Notes
    -----
    Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2).
    """
    if not 0.5 < confidence < 1.0:
        raise BadInputError(f"confidence: expected a number between 0.5 and 1, found {confidence}")
    if sharpe <= benchmark:
        return math.inf
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return 1.0 + variance * (_NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2
