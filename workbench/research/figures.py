"""The figures of a plain run from its sums: those of `BacktestResult.metrics`, bit for bit."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.domain.money import MICRO
from workbench.research import quick as q
from workbench.research.statistics import DayEnds, Metrics, day_ends, figures_by_bar

__all__ = ["BY_BAR", "Figures", "Metrics"]

Ints = npt.NDArray[np.int64]

# what needs the equity at each bar; all others follow from the trades
BY_BAR = (
    *("sharpe", "daily_sharpe", "volatility", "skew", "kurtosis", "sessions"),
    *("max_drawdown", "max_drawdown_money", "drawdown_bars"),
)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Turns sums into figures, for one account on one set of bars."""

    close_ns: Ints
    micro_per_point: int
    start: int  # micro-units

    @cached_property
    def days(self) -> DayEnds:
        """The ends of the days of these bars."""
        return day_ends(self.close_ns)

    def of(self, totals: Ints, equity: Ints | None) -> Metrics:
        """The figures; without equity those that follow from the trades."""
        row = totals.tolist()
        bars, trades = len(self.close_ns), row[q.R_TRADES]
        profit, won, lost = row[q.R_EQUITY] - self.start, row[q.R_WON], row[q.R_LOST]
        found: Metrics = {
            "net_profit": profit / MICRO,
            "return": profit / self.start,
        }
        if equity is not None:
            returns = self.days.equity(equity, start=self.start).returns
            found |= figures_by_bar(equity, returns=returns, start=self.start)
        found |= {
            "trades": trades,
            "open_trades": int(row[q.R_UNITS] != 0),
            "win_rate": row[q.R_WON_TRADES] / trades if trades else math.nan,
            "profit_factor": won / lost if lost else math.nan,
            "average_trade": float(won - lost) / trades / MICRO if trades else math.nan,
            "exposure": row[q.R_BARS_HELD] / bars if bars else math.nan,
            "spread_cost": row[q.R_SPREAD_DOUBLED] * self.micro_per_point // 2 / MICRO,
            "slippage_cost": row[q.R_SLIPPED] * self.micro_per_point / MICRO,
            "commission": row[q.R_COMMISSION] / MICRO,
            "financing": row[q.R_FINANCING] / MICRO,
            "fills": row[q.R_FILLS],
            "refused_orders": row[q.R_REFUSED],
            "margin_closeouts": 0,
            "margin_calls": 0,
            "expired_orders": 0,
            "ambiguous_bars": row[q.R_AMBIGUOUS],
            "bars": bars,
        }
        if equity is not None:
            found["sessions"] = len(self.days.sessions)
        return {name: value for name, value in found.items() if math.isfinite(float(value))}
