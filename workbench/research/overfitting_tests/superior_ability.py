"""Whether the best of many trials beats a benchmark by more than the choice explains.

White (2000), "A Reality Check for Data Snooping", Econometrica 68(5), and Hansen (2005), "A Test for
Superior Predictive Ability", Journal of Business & Economic Statistics 23(4).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.research.overfitting_tests.bootstrap import long_run_variance, stationary_draws
from workbench.research.overfitting_tests.returns import checked_returns

__all__ = ["SuperiorAbility", "reality_check", "superior_ability"]

Floats = npt.NDArray[np.float64]
_AT_ONCE = 4 * 2**20


@dataclass(frozen=True, kw_only=True)
class SuperiorAbility:
    """Chance of a best trial as good as this one when none is better than the benchmark."""

    statistic: float
    lower: float  # trials below the benchmark count as far as they lie below it: too few rejections are rare
    consistent: float  # trials far below the benchmark are left out: Hansen's SPA
    upper: float  # every trial is taken to be as good as the benchmark: White's way
    best: int  # column of the best trial
    trials: int
    draws: int
    block: float
    studentized: bool

    @property
    def p_value(self) -> float:
        """The consistent one."""
        return self.consistent


def superior_ability(
    returns: Floats,
    *,
    rng: np.random.Generator,
    benchmark: Floats | None = None,
    block: float | None = None,
    draws: int = 1_000,
    studentized: bool = True,
) -> SuperiorAbility:
    """Hansen's test for superior predictive ability (SPA) of the best of many trials.

    Parameters
    ----------
    returns
        Shape (periods, trials), no NaN.
    benchmark
        Returns of what is to be beaten in the same periods; cash that earns nothing if left out.
    block
        Mean length of the bootstrap's blocks, at least the time positions are held; by default the root of
        the number of periods.
    studentized
        Whether each trial is measured in units of its own error, as Hansen does, or in returns, as White.

    Notes
    -----
    The p-values are shares of `draws` samples of the stationary bootstrap.
    """
    excess = checked_returns(returns, trials=1)
    periods, trials = excess.shape
    if draws < 1:
        raise BadInputError(f"draws: expected 1 or more, found {draws}")
    if benchmark is not None:
        reference = np.asarray(benchmark, np.float64)
        if reference.shape != (periods,) or not np.isfinite(reference).all():
            raise BadInputError(
                f"benchmark: expected {periods} finite returns, found shape {reference.shape}"
            )
        excess = excess - reference[:, None]
    length = math.sqrt(periods) if block is None else float(block)
    mean = excess.mean(axis=0)
    error = np.sqrt(long_run_variance(excess, block=length) / periods)
    varies = error > 1e-12 * np.abs(excess).max(axis=0)
    scale = np.where(varies, error, 1.0) if studentized else np.ones(trials)
    score = np.where(varies, mean / scale, 0.0)
    near = mean >= -error * math.sqrt(2.0 * math.log(math.log(max(periods, 16))))
    centres = np.stack((np.maximum(mean, 0.0), np.where(near, mean, 0.0), mean))
    statistic = max(0.0, float(score.max()))
    exceeded = np.zeros(3, np.int64)
    at_once = max(1, _AT_ONCE // max(periods, trials))
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        chosen = stationary_draws(periods, block=length, draws=count, rng=rng)
        sampled = _shares(chosen, periods) @ excess
        for row, centre in enumerate(centres):
            best = np.where(varies, (sampled - centre) / scale, 0.0).max(axis=1)
            exceeded[row] += int(np.sum(np.maximum(best, 0.0) >= statistic))
    lower, consistent, upper = (exceeded / draws).tolist()
    return SuperiorAbility(
        statistic=statistic,
        lower=lower,
        consistent=consistent,
        upper=upper,
        best=int(np.argmax(score)),
        trials=trials,
        draws=draws,
        block=length,
        studentized=studentized,
    )


def reality_check(
    returns: Floats,
    *,
    rng: np.random.Generator,
    benchmark: Floats | None = None,
    block: float | None = None,
    draws: int = 1_000,
) -> float:
    """White's reality check: the p-value of the best mean return, every trial taken to be worth nothing.

    Poor trials among many make it cautious; `superior_ability` is the sharper test.
    """
    found = superior_ability(
        returns, rng=rng, benchmark=benchmark, block=block, draws=draws, studentized=False
    )
    return found.upper


def _shares(chosen: npt.NDArray[np.int64], periods: int) -> Floats:
    """How often each period is in each sample, divided by the periods: means are one product of matrices."""
    rows = np.arange(len(chosen))[:, None] * periods
    counts = np.bincount((chosen + rows).ravel(), minlength=len(chosen) * periods)
    found: Floats = counts.reshape(len(chosen), periods) / periods
    return found
