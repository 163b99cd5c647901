"""Probability of backtest overfitting: how often the best in one half of the time is ordinary in the other.

Combinatorially symmetric cross-validation (CSCV) of Bailey, Borwein, Lopez de Prado and Zhu (2017), "The
Probability of Backtest Overfitting", Journal of Computational Finance 20(4).
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.research.overfitting_tests.returns import checked_returns

__all__ = ["BacktestOverfitting", "backtest_overfitting"]

Floats = npt.NDArray[np.float64]
_AT_ONCE = 2 * 2**20  # numbers a chunk of splits may hold in each of its tables
_EQUAL = 1e-9  # Sharpe ratios closer than this differ by rounding only


@dataclass(frozen=True, kw_only=True, eq=False)
class BacktestOverfitting:
    """What the best of one half was worth in the other, one entry a split."""

    logits: Floats  # ln(w / (1 - w)) of the relative rank w out of sample: 0 is the median trial
    in_sample: Floats  # Sharpe ratio per period of the trial chosen, where it was chosen
    out_of_sample: Floats  # of the same trial in the other half
    trials: int
    periods: int  # used: those that fill the blocks
    blocks: int

    @property
    def probability(self) -> float:
        """Share of splits in which the chosen trial was no better than the median: about 0.5 for noise.

        It is about 0.5 too when all trials are equally good; `loss_probability` tells that apart.
        """
        return float(np.mean(self.logits <= 0.0))

    @property
    def loss_probability(self) -> float:
        """Share of splits in which the chosen trial lost money out of sample."""
        return float(np.mean(self.out_of_sample < 0.0))

    @property
    def degradation(self) -> float:
        """Slope of the Sharpe ratio out of sample on that in sample; NaN when the latter does not vary."""
        spread = float(np.var(self.in_sample))
        if spread == 0.0:
            return math.nan
        centred = self.in_sample - self.in_sample.mean()
        return float(np.mean(centred * self.out_of_sample)) / spread

    def __repr__(self) -> str:
        return (
            f"<probability of backtest overfitting {self.probability:.2f}, of a loss out of sample "
            f"{self.loss_probability:.2f}: {self.trials:,} trials, {len(self.logits):,} splits>"
        )


def backtest_overfitting(returns: Floats, *, blocks: int = 16) -> BacktestOverfitting:
    """Choose the best trial by Sharpe ratio in every half of the blocks, and look at it in the other half.

    Parameters
    ----------
    returns
        Simple returns, shape (periods, trials): a row a period, a column a trial. No NaN.
    blocks
        Even number of stretches of equal length the periods are cut into; periods left over at the start
        are not used. 16 blocks make 12,870 splits, 10 make 252.

    Raises
    ------
    BadInputError
        Fewer than two trials, an odd number of blocks, or fewer than two periods a block.

    Notes
    -----
    A trial whose returns do not vary has a Sharpe ratio of 0. Of equals in sample the first is chosen; out
    of sample equals share their ranks. Sums of blocks are kept, so memory does not grow with the splits.
    """
    values = checked_returns(returns, trials=2)
    if blocks < 2 or blocks % 2:
        raise BadInputError(f"blocks: expected an even number from 2 on, found {blocks}")
    length = len(values) // blocks
    if length < 2:
        raise BadInputError(
            f"expected 2 periods or more in each of {blocks} blocks, found {len(values)} periods in all; "
            "take fewer blocks or a longer sample"
        )
    used = values[len(values) - length * blocks :]
    centre = used.mean(axis=0)
    cut = (used - centre).reshape(blocks, length, -1)  # sums of squares lose less about the mean
    sums, squares = cut.sum(axis=1), np.square(cut).sum(axis=1)
    noise = _rounding(used)
    logits, chosen_in, chosen_out = [], [], []
    for chosen in _halves(blocks, width=values.shape[1]):
        half = length * blocks // 2
        first_sum, first_square = chosen @ sums, chosen @ squares
        ratios = (
            _ratio(first_sum, first_square, centre, half, noise),
            _ratio(sums.sum(axis=0) - first_sum, squares.sum(axis=0) - first_square, centre, half, noise),
        )
        for inside, outside in (ratios, ratios[::-1]):
            best = np.argmax(inside, axis=1)[:, None]
            chosen_in.append(np.take_along_axis(inside, best, axis=1)[:, 0])
            own = np.take_along_axis(outside, best, axis=1)
            chosen_out.append(own[:, 0])
            ahead = own - outside
            rank = (ahead > _EQUAL).sum(axis=1) + ((np.abs(ahead) <= _EQUAL).sum(axis=1) + 1) / 2
            share = rank / (values.shape[1] + 1)
            logits.append(np.log(share / (1.0 - share)))
    return BacktestOverfitting(
        logits=np.concatenate(logits),
        in_sample=np.concatenate(chosen_in),
        out_of_sample=np.concatenate(chosen_out),
        trials=values.shape[1],
        periods=length * blocks,
        blocks=blocks,
    )


def _halves(blocks: int, *, width: int) -> Iterator[Floats]:
    """Choices of half the blocks as rows of ones and zeros, a chunk at a time.

    Those without the first block are left out: each is the other half of one that has it.
    """
    others = itertools.combinations(range(1, blocks), blocks // 2 - 1)
    at_once = max(1, _AT_ONCE // width)
    while chunk := list(itertools.islice(others, at_once)):
        chosen = np.zeros((len(chunk), blocks))
        chosen[:, 0] = 1.0
        if blocks > 2:
            np.put_along_axis(chosen, np.array(chunk), 1.0, axis=1)
        yield chosen


def _ratio(sums: Floats, squares: Floats, centre: Floats, periods: int, noise: Floats) -> Floats:
    mean = sums / periods
    variance = (squares - sums * mean) / (periods - 1)
    level = mean + centre
    level = np.where(np.abs(level) <= noise, 0.0, level)
    varies = variance > noise**2
    return np.where(varies, level / np.sqrt(np.where(varies, variance, 1.0)), 0.0)


def _rounding(values: Floats) -> Floats:
    """What floating point leaves of a zero, one number a trial."""
    found: Floats = 1e-12 * np.abs(values).max(axis=0)
    return found
