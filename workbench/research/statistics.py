"""The figures of a backtest, each with its definition.

Everything works on arrays: int64 micro-units of equity, one a bar, as of the bar's close.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import day_close_ns, session_of
from workbench.domain.money import MICRO
from workbench.indicators.compiled import compiled

__all__ = [
    "DEFINITIONS",
    "DIFFERENCES",
    "SESSIONS_PER_YEAR",
    "SOURCES",
    "DailyEquity",
    "DayEnds",
    "Drawdown",
    "Metrics",
    "daily_equity",
    "day_ends",
    "deepest_fall",
    "figures_by_bar",
    "max_drawdown",
    "shape_of",
    "sharpe_ratio",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Metrics = dict[str, float | int | str]

SESSIONS_PER_YEAR = 252

DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "net_profit": "Equity at the end minus the starting balance; an open position counts at the price "
        "that closes it (bid for a long one, ask for a short one).",
        "return": "Net profit divided by the starting balance.",
        "sharpe": "Mean of the daily returns divided by their sample deviation (ddof 1), times the square "
        "root of 252. Daily: equity from one 17:00 New York to the next, sessions with bars only. No "
        "interest is taken off. 252 is the usual convention; an FX year has about 260 sessions, which would "
        "make the figure 1.6 % larger.",
        "daily_sharpe": "The Sharpe ratio of the daily returns, not annualized.",
        "volatility": "Sample deviation of the daily returns times the square root of 252.",
        "skew": "Skewness of the daily returns.",
        "kurtosis": "Raw kurtosis of the daily returns, 3 for a normal distribution.",
        "sessions": "FX days (17:00 to 17:00 New York) with at least one bar.",
        "max_drawdown": "Largest fall of equity, measured at bar closes, from its highest value before, as a "
        "fraction of that value; the starting balance counts as a high.",
        "max_drawdown_money": "Largest fall of equity from its highest value before, in money.",
        "drawdown_bars": "Longest time, in bars, that equity stayed below an earlier high.",
        "trades": "Round trips that ended, from flat to flat or to the other side.",
        "open_trades": "Positions still held at the end: 0 or 1.",
        "win_rate": "Share of the trades that ended with a profit after commission and financing.",
        "profit_factor": "Profits of the winning trades divided by losses of the losing ones, after "
        "commission and financing. Left out when no trade lost.",
        "average_trade": "Mean profit of a trade after commission and financing.",
        "exposure": "Share of bars at whose close a position was held.",
        "spread_cost": "Half the spread of the bar's open quote times the units of each fill: the loss "
        "against trading at mid.",
        "slippage_cost": "The cost book's slippage times the units of each fill it applies to.",
        "commission": "Commission paid.",
        "financing": "Financing received (+) or paid (-) at 17:00 New York.",
        "fills": "Executions.",
        "refused_orders": "Orders the engine dropped, such as for insufficient margin.",
        "expired_orders": "Waiting orders whose time was up.",
        "margin_calls": "Times that the margin used came to be the equity at mid or more.",
        "margin_closeouts": "Positions closed by force because margin ran out.",
        "ambiguous_bars": "Bars that reached both stop and target; the stop was taken to come first.",
        "bars": "Bars traded, without those that only warmed up the indicators.",
    }
)


SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "sharpe": "Sharpe (1994), The Sharpe Ratio, Journal of Portfolio Management 21(1); the root of time: "
        "Lo (2002), The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4).",
        "daily_sharpe": "Sharpe (1994), Journal of Portfolio Management 21(1).",
        "volatility": "Sample standard deviation; the square root of time as for the Sharpe ratio.",
        "skew": "Third central moment over the second to the power 3/2 (population moments): Joanes and Gill "
        "(1998), The Statistician 47(1), g1.",
        "kurtosis": "Fourth central moment over the square of the second (population moments): Joanes and "
        "Gill (1998), The Statistician 47(1), g2 + 3.",
        "max_drawdown": "Magdon-Ismail and Atiya (2004), Maximum Drawdown, Risk 17(10).",
        "profit_factor": "Gross profit over gross loss: Profit Factor of TradeStation's strategy performance "
        "report.",
    }
)

DIFFERENCES: Mapping[str, str] = MappingProxyType(
    {
        "max_drawdown": "Taken at every bar's close; empyrical takes daily returns and so never finds a "
        "deeper one. It gives it as a negative number.",
        "sharpe": "The same formula on the same daily returns (empyrical's sharpe_ratio, 252 a year); days "
        "end 17:00 New York here, often 00:00 UTC elsewhere.",
        "volatility": "The same as empyrical's annual_volatility on the same daily returns.",
        "monthly returns": "The same as empyrical's aggregate_returns on the dates of the FX sessions.",
        "return": "Of the starting balance and not annualized; empyrical's cum_returns_final is the same, "
        "its annual_return is not.",
        "trades": "From flat to flat or to the other side; programs that count each fill that reduces a "
        "position find more.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyEquity:
    """Equity at the end of each FX day that has bars, and the simple returns from one to the next."""

    sessions: tuple[date, ...]
    equity: Ints  # micro-units
    returns: Floats  # the first from the starting balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall from a high, and the longest time below one."""

    fraction: float
    money: int  # micro-units
    bars: int


def daily_equity(close_ns: Ints, equity: Ints, *, start: int) -> DailyEquity:
    """Equity at the ends of FX days.

    Parameters
    ----------
    close_ns
        Closes of the bars, ascending. A bar that closes at 17:00 New York belongs to the day that ends then.
    equity
        Micro-units, one a bar.
    start
        Micro-units before the first bar.
    """
    return day_ends(close_ns).equity(equity, start=start)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnds:
    """The FX days that have bars, and the last bar known at the end of each."""

    sessions: tuple[date, ...]
    last: Ints

    def equity(self, equity: Ints, *, start: int) -> DailyEquity:
        """Equity of these bars at the ends of the days, see `daily_equity`."""
        at_end = equity[self.last]
        before = np.concatenate((np.array([start], np.int64), at_end[:-1]))[: len(at_end)]
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = np.where(before > 0, (at_end - before) / before, 0.0)  # nothing is earned on nothing
        return DailyEquity(sessions=self.sessions, equity=at_end, returns=returns)


def day_ends(close_ns: Ints) -> DayEnds:
    """The ends of the FX days of bars that close at `close_ns`, ascending."""
    if close_ns.shape[0] == 0:
        return DayEnds(sessions=(), last=np.empty(0, np.int64))
    session, last = session_of(int(close_ns[0]) - 1), session_of(int(close_ns[-1]) - 1)
    days: list[date] = []
    while session <= last:
        if session.weekday() < 5:
            days.append(session)
        session += timedelta(days=1)
    ends = np.array([day_close_ns(day) for day in days], np.int64)
    upto = np.searchsorted(close_ns, ends, side="right")  # bars known by the end of each day
    has_bars = np.diff(upto, prepend=0) > 0
    return DayEnds(
        sessions=tuple(day for day, some in zip(days, has_bars, strict=True) if some),
        last=upto[has_bars] - 1,
    )


def sharpe_ratio(returns: Floats, *, periods_per_year: int) -> float:
    """Annualized mean return per unit of its sample deviation (ddof 1).

    NaN with fewer than two returns or when all are equal: the ratio is undefined there.

    Notes
    -----
    Scaling by the square root of time assumes uncorrelated returns: Lo (2002), "The Statistics of Sharpe
    Ratios", Financial Analysts Journal 58(4).
    """
    if returns.shape[0] < 2:
        return math.nan
    deviation = float(np.std(returns, ddof=1))
    if deviation == 0.0:
        return math.nan
    return float(np.mean(returns)) / deviation * math.sqrt(periods_per_year)


def shape_of(returns: Floats) -> tuple[float, float]:
    """Skewness and raw kurtosis (population moments); NaN when the returns do not vary."""
    if returns.shape[0] < 2:
        return math.nan, math.nan
    centred = returns - np.mean(returns)
    second = float(np.mean(centred**2))
    if second == 0.0:
        return math.nan, math.nan
    return float(np.mean(centred**3)) / second**1.5, float(np.mean(centred**4)) / second**2


def max_drawdown(equity: Ints, *, start: int) -> Drawdown:
    """The deepest fall of `equity` from a high; `start` counts as a high."""
    fraction, money, bars = deepest_fall(equity, start)
    return Drawdown(fraction=float(fraction), money=int(money), bars=int(bars))


def figures_by_bar(equity: Ints, *, returns: Floats, start: int) -> Metrics:
    """The figures that need the equity at each bar, see `DEFINITIONS`; `returns` are the daily ones."""
    fall = max_drawdown(equity, start=start)
    skew, kurtosis = shape_of(returns)
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else math.nan
    return {
        "sharpe": sharpe_ratio(returns, periods_per_year=SESSIONS_PER_YEAR),
        "daily_sharpe": sharpe_ratio(returns, periods_per_year=1),
        "volatility": deviation * math.sqrt(SESSIONS_PER_YEAR),
        "skew": skew,
        "kurtosis": kurtosis,
        "max_drawdown": fall.fraction,
        "max_drawdown_money": fall.money / MICRO,
        "drawdown_bars": fall.bars,
    }


@compiled
def deepest_fall(equity: Ints, start: int) -> Any:
    """Fraction, micro-units and bars of `max_drawdown`, for compiled callers."""
    high, trough, below, longest = start, start, 0, 0
    deepest, money = 0.0, 0
    for i in range(equity.shape[0]):
        value = equity[i]
        if value >= high:
            if trough < high:  # a fall is over: its lowest point counts
                money = max(money, high - trough)
                deepest = max(deepest, (high - trough) / high)
            high = value
            trough = value
            longest = max(longest, below)
            below = 0
            continue
        below += 1
        trough = min(trough, value)
    money = max(money, high - trough)
    return max(deepest, (high - trough) / high), money, max(longest, below)
