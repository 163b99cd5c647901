"""What the same money would have made without the strategy: held in what was traded, or left as cash."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.money import MICRO
from workbench.errors import BadInputError
from workbench.research.account_terms import AccountTerms
from workbench.research.backtest import backtest_of
from workbench.research.given import given
from workbench.research.result import BacktestResult
from workbench.research.statistics import SESSIONS_PER_YEAR, daily_equity, figures_by_bar
from workbench.strategy import EquityFraction, Param, Rules, Strategy
from workbench.strategy.expressions import BarExpr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BENCHMARKS", "Against", "against"]

Ints = npt.NDArray[np.int64]
_NS_PER_YEAR = 365.25 * 24 * 3_600 * 1e9

BENCHMARKS: Mapping[str, str] = {
    "buy and hold": "The whole balance, without leverage, in what was traded (in equal parts where there are "
    "several instruments), bought at the first bar's close decision and held: traded by the same engine with "
    "the same spread, commission and financing.",
    "cash": "The balance left as it is, with the interest that was given for it and none where none was.",
    "correlation": "Correlation of the strategy's daily returns with those of buy and hold.",
    "beta": "Covariance of the daily returns with those of buy and hold, divided by their variance: Sharpe "
    "(1964), Journal of Finance 19(3).",
    "information_ratio": "Mean of the daily returns less those of buy and hold, divided by their sample "
    "deviation, times the square root of 252: Goodwin (1998), Financial Analysts Journal 54(4).",
}


class BuyAndHold(Strategy):
    """Buys at the first decision and holds."""

    parts = Param(1, low=1, high=10_000)

    def rules(self, bar: BarExpr) -> Rules:
        """Always long."""
        return Rules(enter_long=bar.hour >= 0, size=EquityFraction(1.0 / self.parts))


@dataclass(frozen=True, kw_only=True, eq=False)
class Against:
    """A backtest beside buy and hold and beside cash."""

    result: BacktestResult
    cash_rate: float  # a year, continuously as simple interest by the calendar

    @cached_property
    def held(self) -> BacktestResult:
        """Buy and hold, as a backtest."""
        result = self.result
        prices = result.given if result.given is not None else given(result.bars)
        terms = AccountTerms(
            currency=result.currency,
            balance=result.starting_balance,
            cost_books=result.cost_books or (result.cost_book,),
            rules=result.account,
        )
        return backtest_of(BuyAndHold(parts=len(prices.decided)), prices, terms)

    @cached_property
    def cash(self) -> Ints:
        """Micro-units of cash at each of the result's instants."""
        times = self.result.round_ns
        if not len(times):
            return np.empty(0, np.int64)
        years = (times - times[0]) / _NS_PER_YEAR
        found: Ints = np.rint(self.result.starting_balance * (1.0 + self.cash_rate * years)).astype(np.int64)
        return found

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """Net profit, return, volatility, Sharpe ratio and deepest fall: strategy, buy and hold, cash."""
        import pandas as pd  # takes a while

        names = ("net_profit", "return", "volatility", "sharpe", "max_drawdown")
        columns: dict[str, list[float]] = {}
        for label, item in (("strategy", self.result), ("buy and hold", self.held)):
            columns[label] = [float(item.metrics.get(name, math.nan)) for name in names]
        start = self.result.starting_balance
        profit = int(self.cash[-1]) - start if len(self.cash) else 0
        daily = daily_equity(self.result.round_ns, self.cash, start=start)
        found = figures_by_bar(self.cash, returns=daily.returns, start=start)
        found |= {"net_profit": profit / MICRO, "return": profit / start}
        found["sharpe"] = math.nan  # what bears no risk has none to be paid for
        columns["cash"] = [float(found[name]) for name in names]
        return pd.DataFrame(columns, index=pd.Index(names, name="figure"))

    @cached_property
    def together(self) -> dict[str, float]:
        """Correlation, beta and information ratio against buy and hold; NaN where undefined."""
        own, other = self.result.daily, self.held.daily
        place = {session: at for at, session in enumerate(other.sessions)}
        pairs = [(at, place[session]) for at, session in enumerate(own.sessions) if session in place]
        mine = own.returns[[at for at, _ in pairs]]
        theirs = other.returns[[at for _, at in pairs]]
        if len(pairs) < 3 or np.std(mine) == 0.0 or np.std(theirs) == 0.0:
            return {"correlation": math.nan, "beta": math.nan, "information_ratio": math.nan}
        covariance = np.cov(mine, theirs, ddof=1)
        active = mine - theirs
        deviation = float(np.std(active, ddof=1))
        ratio = float(np.mean(active)) / deviation * math.sqrt(SESSIONS_PER_YEAR) if deviation else math.nan
        return {
            "correlation": float(np.corrcoef(mine, theirs)[0, 1]),
            "beta": float(covariance[0, 1] / covariance[1, 1]),
            "information_ratio": ratio,
        }


def against(result: BacktestResult, *, cash_rate: float = 0.0) -> Against:
    """A backtest beside what its money would have made otherwise, see `BENCHMARKS`.

    Parameters
    ----------
    cash_rate
        Simple interest on cash, a fraction a year (365.25 days): 0.02 is 2 %.

    Raises
    ------
    BadInputError
        No such rate.
    """
    if isinstance(cash_rate, bool) or not isinstance(cash_rate, int | float) or not abs(cash_rate) < 1.0:
        raise BadInputError(f"cash_rate: expected a fraction a year such as 0.02, found {cash_rate!r}")
    return Against(result=result, cash_rate=float(cash_rate))
