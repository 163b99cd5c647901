"""What is done for each point: the part that travels to the workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.research.account_terms import AccountTerms
from workbench.research.backtest import backtest_of
from workbench.research.given import Given
from workbench.research.markets import INSTRUMENT, TIMEFRAME, Prices
from workbench.research.result import BacktestResult
from workbench.research.search.columns import column_of
from workbench.research.search.space import Point
from workbench.research.sweep import trials_of
from workbench.research.trial_table import TrialTable
from workbench.strategy import Strategy

__all__ = ["Chunk", "Work", "trade"]

Market = tuple[str, str]  # instrument and timeframe; empty where they are not searched over


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Points of one market that are traded together."""

    numbers: tuple[int, ...]  # their places in the search
    points: tuple[Point, ...]
    market: Market


@dataclass(kw_only=True, eq=False)
class Work:
    """Everything that a worker needs; it is sent to each once."""

    strategy_class: type[Strategy]
    names: tuple[str, ...]  # of the axes
    prices: Prices
    cost_books: tuple[CostBook, ...]
    currency: str
    balance: int  # micro-units
    rules: AccountRules
    trade_from_ns: int | None
    statistics: str
    threads: int | None = 1
    _prepared: dict[Market, Given] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_prepared": {}, "_lock": None}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())

    @property
    def terms(self) -> AccountTerms:
        """The account."""
        return AccountTerms(
            currency=self.currency, balance=self.balance, cost_books=self.cost_books, rules=self.rules
        )

    def market_of(self, point: Point) -> Market:
        """What a point trades."""
        values = dict(zip(self.names, point, strict=True))
        return str(values.get(INSTRUMENT, "")), str(values.get(TIMEFRAME, ""))

    def result(self, point: Point) -> BacktestResult:
        """The whole backtest of one point."""
        strategy = self.strategy_class(**_parameters(self.names, point))
        return backtest_of(strategy, self.given(self.market_of(point)), self.terms)

    def given(self, market: Market) -> Given:
        """The prices of a market, made once."""
        with self._lock:
            if market not in self._prepared:
                self._prepared[market] = self.prices.market(*market).given(trade_from_ns=self.trade_from_ns)
            return self._prepared[market]


def trade(work: Work, chunk: Chunk) -> TrialTable:
    """Backtest a chunk: a trial a point, in order, with the axes among the parameters."""
    strategies = [work.strategy_class(**_parameters(work.names, point)) for point in chunk.points]
    found: list[TrialTable] = [
        part if isinstance(part, TrialTable) else TrialTable.of(part)
        for part in trials_of(
            strategies,
            work.given(chunk.market),
            work.terms,
            statistics=work.statistics,
            workers=work.threads,
        )
        if len(part)
    ]
    table = TrialTable.joined(found)
    axes = {
        name: column_of([point[at] for point in chunk.points])
        for at, name in enumerate(work.names)
        if name in (INSTRUMENT, TIMEFRAME)
    }
    return TrialTable(
        strategy=table.strategy,
        dataset=table.dataset,
        cost_book=table.cost_book,
        parameters={**table.parameters, **axes},
        count=table.count,
        figures=table.figures,
    )


def _parameters(names: Sequence[str], point: Point) -> dict[str, Any]:
    return {
        name: value for name, value in zip(names, point, strict=True) if name not in (INSTRUMENT, TIMEFRAME)
    }
