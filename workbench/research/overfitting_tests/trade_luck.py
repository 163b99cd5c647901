"""What the same trades could have come to: in another order, drawn anew, or with some of them missed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import BadInputError

__all__ = ["METHODS", "TradeLuck", "trade_luck"]

Floats = npt.NDArray[np.float64]
_AT_ONCE = 4 * 2**20

METHODS: Mapping[str, str] = {
    "shuffle": "the same trades in another order",
    "bootstrap": "as many trades drawn from them, some several times, some never",
    "skip": "the same order with some trades missed",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TradeLuck:
    """Equity at the end and deepest fall over many runs of the same trades, and those of the real one."""

    method: str
    balance: float
    terminal: Floats  # equity at the end of each run
    drawdown: Floats  # deepest fall of each, as a fraction of the high before it
    real_terminal: float
    real_drawdown: float
    trades: int

    @property
    def loss_probability(self) -> float:
        """Share of runs that ended below the starting balance."""
        return float(np.mean(self.terminal < self.balance))

    @property
    def drawdown_probability(self) -> float:
        """Share of runs with a fall as deep as the real one or deeper."""
        return float(np.mean(self.drawdown >= self.real_drawdown * (1.0 - 1e-12)))

    def ruin_probability(self, fraction: float) -> float:
        """Share of runs that fell by `fraction` of their high or more at some time."""
        return float(np.mean(self.drawdown >= fraction))

    @property
    def frame(self) -> pd.DataFrame:
        """Quantiles of both over the runs, and the real values last."""
        shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
        frame = pd.DataFrame(
            {
                "terminal": np.append(np.quantile(self.terminal, shares), self.real_terminal),
                "drawdown": np.append(np.quantile(self.drawdown, shares), self.real_drawdown),
            },
            index=[*(f"{share:.0%}" for share in shares), "real"],
        )
        frame.index.name = self.method
        return frame

    def __repr__(self) -> str:
        return (
            f"<{METHODS[self.method]}: {len(self.terminal):,} runs of {self.trades:,} trades, "
            f"{self.loss_probability:.1%} lose, median drawdown {np.median(self.drawdown):.1%} "
            f"(real {self.real_drawdown:.1%})>"
        )


def trade_luck(
    profits: Floats,
    *,
    balance: float,
    rng: np.random.Generator,
    method: str = "bootstrap",
    runs: int = 10_000,
    skipped: float = 0.1,
) -> TradeLuck:
    """Run trades again by chance.

    Parameters
    ----------
    profits
        Net profit of each trade in money, in order, as ``result.trades["net_profit"]``.
    balance
        Equity before the first, in the same money.
    method
        One of `METHODS`. Shuffling leaves the end as it is and moves the falls; the bootstrap moves both.
    skipped
        For "skip": chance that a trade is missed.

    Notes
    -----
    Profits are added as they are, so sizes do not follow the equity. Trades are taken to be independent: runs
    of losses that belong together (a regime) are broken up, and real drawdowns can be deeper. Falls are
    measured between trades, not within them.
    """
    values = np.asarray(profits, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise BadInputError(
            f"profits: expected the finite profits of 1 trade or more, found shape {values.shape}; "
            "a backtest without a closed trade has nothing to draw from"
        )
    if method not in METHODS:
        raise BadInputError(f"method: expected {', '.join(METHODS)}, found {method!r}")
    if not balance > 0.0 or runs < 1 or not 0.0 <= skipped < 1.0:
        raise BadInputError(
            "expected a balance above 0, 1 run or more and a share skipped from 0 to below 1, found "
            f"{balance}, {runs} and {skipped}"
        )
    ends, falls = [], []
    at_once = max(1, _AT_ONCE // len(values))
    for start in range(0, runs, at_once):
        sampled = _sampled(values, method, count=min(at_once, runs - start), skipped=skipped, rng=rng)
        end, fall = _ends_and_falls(sampled, balance)
        ends.append(end)
        falls.append(fall)
    real_end, real_fall = _ends_and_falls(values[None, :], balance)
    return TradeLuck(
        method=method,
        balance=balance,
        terminal=np.concatenate(ends),
        drawdown=np.concatenate(falls),
        real_terminal=float(real_end[0]),
        real_drawdown=float(real_fall[0]),
        trades=len(values),
    )


def _sampled(values: Floats, method: str, *, count: int, skipped: float, rng: np.random.Generator) -> Floats:
    if method == "bootstrap":
        return values[rng.integers(0, len(values), (count, len(values)))]
    rows = np.tile(values, (count, 1))
    if method == "shuffle":
        return rng.permuted(rows, axis=1)
    return np.where(rng.random(rows.shape) < skipped, 0.0, rows)


def _ends_and_falls(profits: Floats, balance: float) -> tuple[Floats, Floats]:
    equity = balance + np.cumsum(profits, axis=1)
    high = np.maximum(np.maximum.accumulate(equity, axis=1), balance)
    return equity[:, -1], ((high - equity) / high).max(axis=1)
