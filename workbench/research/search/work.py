"""What is done for each point: the part that travels to the workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.market import Bars
from workbench.market.resampling import resample
from workbench.research.account_terms import AccountTerms
from workbench.research.backtest import backtest_of
from workbench.research.given import Given, Series, given
from workbench.research.result import BacktestResult
from workbench.research.search.columns import column_of
from workbench.research.search.space import INSTRUMENT, TIMEFRAME, Point
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
    data: tuple[Series, ...]
    finer: tuple[Series, ...]
    also: tuple[Series, ...]
    timeframe: str | None
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
        return backtest_of(strategy, self.prices(self.market_of(point)), self.terms)

    def prices(self, market: Market) -> Given:
        """The prices of a market, made once."""
        with self._lock:
            if market not in self._prepared:
                self._prepared[market] = self._given(market)
            return self._prepared[market]

    def _given(self, market: Market) -> Given:
        name, frame = market
        chosen = [item for item in self.data if not name or item.instrument.id == name]
        traded = {item.instrument.id for item in chosen}
        near = [item for item in self.finer if item.instrument.id in traded]
        others = [item for item in self.also if item.instrument.id not in traded]
        if frame:
            chosen = [resample(item, frame) if isinstance(item, Bars) else item for item in chosen]
        return given(
            chosen,
            finer=near or None,
            also=others or None,
            timeframe=self.timeframe_for(frame),
            trade_from_ns=self.trade_from_ns,
        )

    def timeframe_for(self, frame: str) -> str | None:
        """The bars to decide on, where ticks are given."""
        has_ticks = any(not isinstance(item, Bars) for item in self.data)
        return (frame or self.timeframe) if has_ticks else None


def trade(work: Work, chunk: Chunk) -> TrialTable:
    """Backtest a chunk: a trial a point, in order, with the axes among the parameters."""
    strategies = [work.strategy_class(**_parameters(work.names, point)) for point in chunk.points]
    found: list[TrialTable] = [
        part if isinstance(part, TrialTable) else TrialTable.of(part)
        for part in trials_of(
            strategies,
            work.prices(chunk.market),
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
