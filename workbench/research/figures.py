"""The figures of plain runs from their sums: those of `BacktestResult.metrics`, bit for bit, many at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.money import MICRO
from workbench.indicators.compiled import compiled
from workbench.research import plain_steps as q
from workbench.research.ahead import column_at
from workbench.research.crossings import trade_crossings
from workbench.research.statistics import SESSIONS_PER_YEAR, DayEnds, Metrics, day_ends, deepest_fall

__all__ = ["BY_BAR", "Figures", "Metrics", "Sums", "cross_many", "sum_up"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_AT_ONCE = 1_024

# what needs the equity at each bar; all others follow from the trades
BY_BAR = (
    *("sharpe", "daily_sharpe", "volatility", "skew", "kurtosis", "sessions"),
    *("max_drawdown", "max_drawdown_money", "drawdown_bars"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What is left of runs: totals ``R_...``, and by bar the drawdowns and the equity at the ends of days."""

    totals: Ints  # shape (runs, TOTALS)
    deepest: Floats  # fraction
    falls: Ints  # shape (runs, 2): micro-units, bars
    ends: Ints  # shape (runs, days), micro-units; no days where figures by bar are not wanted

    @classmethod
    def room(cls, runs: int, *, days: int) -> "Sums":
        """Room for so many."""
        return cls(
            totals=np.zeros((runs, q.TOTALS), np.int64),
            deepest=np.zeros(runs),
            falls=np.zeros((runs, 2), np.int64),
            ends=np.zeros((runs, days), np.int64),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Sums]") -> "Sums":
        """Those of some runs, then those of others."""
        return cls(
            totals=np.concatenate([item.totals for item in parts]),
            deepest=np.concatenate([item.deepest for item in parts]),
            falls=np.concatenate([item.falls for item in parts]),
            ends=np.concatenate([item.ends for item in parts]),
        )

    def rows(self, start: int, stop: int) -> "Sums":
        """Those of some of the runs."""
        return Sums(
            totals=self.totals[start:stop],
            deepest=self.deepest[start:stop],
            falls=self.falls[start:stop],
            ends=self.ends[start:stop],
        )


@compiled
def sum_up(equity: Ints, start: int, last: Ints, run: int, deepest: Floats, falls: Ints, ends: Ints) -> None:
    """Write of one run what `Sums` keeps of its equity."""
    fraction, money, bars = deepest_fall(equity, start)
    deepest[run] = fraction
    falls[run, 0], falls[run, 1] = money, bars
    for day in range(last.shape[0]):
        ends[run, day] = equity[last[day]]


@compiled
def cross_many(
    path: Any,
    bars: int,
    words: Ints,
    sizes: Ints,
    terms: Ints,
    roll_at: Ints,
    roll_inside: Ints,
    roll_days: Ints,
    before: Ints,
    amount: Ints,
    equity: Ints,
    last: Ints,
    answers: Ints,
    totals: Ints,
    deepest: Floats,
    falls: Ints,
    ends: Ints,
) -> None:
    """`trade_crossings` of many runs, summed up; `answers` says which are done.

    `words` has for each run the addresses of the words to enter long and short, to exit long and short. A run
    whose size is 0 is left out.
    """
    count = (bars + 63) // 64
    no_fills, no_bars = np.empty((0, 0), np.int64), np.empty(0, np.int64)
    for run in range(words.shape[0]):
        if sizes[run] == 0:
            continue
        answers[run] = trade_crossings(
            path,
            bars,
            column_at(words[run, 0], count),
            column_at(words[run, 1], count),
            column_at(words[run, 2], count),
            column_at(words[run, 3], count),
            sizes[run],
            terms,
            roll_at,
            roll_inside,
            roll_days,
            no_fills,
            no_bars,
            before,
            amount,
            equity,
            totals[run],
        )
        if answers[run] == q.DONE and equity.shape[0] > 0:
            sum_up(equity, terms[q.Q_BALANCE], last, run, deepest, falls, ends)


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

    def of(self, sums: Sums, *, by_bar: bool) -> dict[str, npt.NDArray[Any]]:
        """Each figure of every run, NaN where it is undefined; `by_bar` also those that take the equity."""
        if len(sums.totals) > _AT_ONCE:  # what it takes on the way is many times the sums
            parts = [
                self.of(sums.rows(start, start + _AT_ONCE), by_bar=by_bar)
                for start in range(0, len(sums.totals), _AT_ONCE)
            ]
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        rows, bars = sums.totals, len(self.close_ns)
        trades, won, lost = rows[:, q.R_TRADES], rows[:, q.R_WON], rows[:, q.R_LOST]
        profit = rows[:, q.R_EQUITY] - self.start
        none = np.zeros(len(rows), np.int64)
        found: dict[str, npt.NDArray[Any]] = {
            "net_profit": profit / MICRO,
            "return": profit / self.start,
        }
        if by_bar:
            found |= self._by_bar(sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            found |= {
                "trades": trades,
                "open_trades": (rows[:, q.R_UNITS] != 0).astype(np.int64),
                "win_rate": np.where(trades > 0, rows[:, q.R_WON_TRADES] / trades, math.nan),
                "profit_factor": np.where(lost != 0, won / lost, math.nan),
                "average_trade": np.where(trades > 0, (won - lost) / trades / MICRO, math.nan),
                "exposure": rows[:, q.R_BARS_HELD] / bars,
                "spread_cost": rows[:, q.R_SPREAD_DOUBLED] * self.micro_per_point // 2 / MICRO,
                "slippage_cost": rows[:, q.R_SLIPPED] * self.micro_per_point / MICRO,
                "commission": rows[:, q.R_COMMISSION] / MICRO,
                "financing": rows[:, q.R_FINANCING] / MICRO,
                "fills": rows[:, q.R_FILLS],
                "refused_orders": rows[:, q.R_REFUSED],
                "margin_closeouts": none.copy(),
                "margin_calls": none.copy(),
                "expired_orders": none.copy(),
                "ambiguous_bars": rows[:, q.R_AMBIGUOUS],
                "bars": none + bars,
            }
        if by_bar:
            found["sessions"] = none + len(self.days.sessions)
        return found

    def _by_bar(self, sums: Sums) -> dict[str, npt.NDArray[Any]]:
        """`figures_by_bar` of every run: the same operations, on rows of daily returns."""
        ends = sums.ends
        before = np.empty_like(ends)
        before[:, :1], before[:, 1:] = self.start, ends[:, :-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = np.where(before > 0, (ends - before) / before, 0.0)
            enough = returns.shape[1] > 1
            mean = np.mean(returns, axis=1) if enough else np.full(len(ends), math.nan)
            deviation = np.std(returns, axis=1, ddof=1) if enough else mean
            daily = np.where(deviation == 0.0, math.nan, mean / deviation)
            centred = returns - mean[:, None]
            second = np.mean(centred**2, axis=1) if enough else mean
            third = np.mean(centred**3, axis=1) if enough else mean
            fourth = np.mean(centred**4, axis=1) if enough else mean
        skew = [t / s**1.5 if s else math.nan for s, t in zip(second.tolist(), third.tolist(), strict=True)]
        kurtosis = [
            f / s**2 if s else math.nan for s, f in zip(second.tolist(), fourth.tolist(), strict=True)
        ]
        return {
            "sharpe": daily * math.sqrt(SESSIONS_PER_YEAR),
            "daily_sharpe": daily,
            "volatility": deviation * math.sqrt(SESSIONS_PER_YEAR),
            "skew": np.array(skew),
            "kurtosis": np.array(kurtosis),
            "max_drawdown": sums.deepest,
            "max_drawdown_money": sums.falls[:, 0] / MICRO,
            "drawdown_bars": sums.falls[:, 1],
        }
