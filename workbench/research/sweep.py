"""Sweeps: every combination of a grid, backtested with the numbers of `run_backtest`, and counted."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.timeframes import Timeframe
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.research.account_terms import AccountTerms
from workbench.research.backtest import backtest_of, starting_balance
from workbench.research.compiled_run import PlainRun, signals_of
from workbench.research.figures import BY_BAR, Figures, Metrics
from workbench.research.given import Given, Several, given
from workbench.research.ledger import Trial, TrialLedger
from workbench.research.result import BacktestResult
from workbench.research.sweep_result import SweepResult
from workbench.research.trial_table import TrialRows, TrialTable, number_column
from workbench.strategy import Strategy
from workbench.strategy.quantities import check_numbers

if TYPE_CHECKING:
    from workbench.research.gpu import DeviceRun

__all__ = ["sweep", "trials_of"]

_CHUNK_BYTES = 128 * 2**20  # of signals a worker holds at a time
_CHUNK_LIMIT = 1_024
_WORTH_A_THREAD = 20_000_000  # combination-bars below which a second thread costs more than it brings

_STATISTICS = ("bars", "trades")
_DEVICES = ("cpu", "cuda")
_RULES = AccountRules()

Parameters = dict[str, int | float]


def sweep(
    strategy_class: type[Strategy],
    data: Several,
    grid: Mapping[str, Iterable[int | float]],
    *,
    cost_book: CostBook | Sequence[CostBook],
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    trade_from_ns: int | None = None,
    sizes: bool = False,
    statistics: str = "bars",
    where: Callable[..., bool] | None = None,
    ledger: TrialLedger | None = None,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> SweepResult:
    """Backtest every combination of `grid`; each counts as a trial.

    Parameters
    ----------
    grid
        Values by parameter of the strategy; parameters left out keep their default.
    data, cost_book, currency, balance, finer, also, timeframe, account, trade_from_ns, sizes
        As in `run_backtest`.
    statistics
        "bars" for all figures, with drawdown and Sharpe ratio from the equity at every bar; "trades" for
        those that follow from the trades alone, in less than half the time.
    where
        Called with each combination by keyword, as in ``lambda fast, slow: fast < slow``; combinations it
        refuses are neither run nor counted.
    ledger
        Where the trials are counted, in one batch; when the sweep is interrupted, those done are.
    workers
        Threads; by default two when the sweep is large enough and the machine has them.
    device
        "cpu", or "cuda" for an NVIDIA card: the same trials with the same figures, bit for bit.

    Raises
    ------
    BadInputError
        An unknown parameter, a value the parameter does not take, a value given twice, or nothing left; no
        card, or an account or strategy that a card does not cover.
    """
    if statistics not in _STATISTICS:
        raise BadInputError(f"statistics: expected {' or '.join(_STATISTICS)}, found {statistics!r}")
    axes = {name: tuple(values) for name, values in grid.items()}
    points = _Grid(axes, where=where)
    for name, values in axes.items():
        for value in values:  # each is checked before the first run
            strategy_class(**{name: value})
    prices = given(
        data, finer=finer, also=also, timeframe=timeframe, trade_from_ns=trade_from_ns, sizes=sizes
    )
    first, last = (strategy_class(**points[at]) for at in (0, len(points) - 1))
    for item in (first, last):
        if item.form == "rules":
            check_numbers(item.traced(), prices.price_range)
    terms = AccountTerms(
        currency=currency,
        balance=starting_balance(balance),
        cost_books=as_cost_books(cost_book),
        rules=account,
    )
    task = _Task(given=prices, terms=terms, by_bar=statistics == "bars", device=device)
    task.check_device((first, last))
    done = TrialRows(len(points))

    def variants(start: int, stop: int) -> list[Strategy]:
        return [strategy_class(**points[at]) for at in range(start, stop)]

    try:
        with tqdm(total=len(points), unit="trial", leave=False, disable=not progress, delay=0.5) as bar:
            for trials in _results(variants, len(points), task, form=first.form, workers=workers):
                done.add(trials)
                bar.update(len(trials))
    finally:
        if ledger is not None and len(done):
            ledger.record(done.table())
    return SweepResult(
        strategy=first.name,
        grid=axes,
        trials=done.table(),
        currency=currency,
        description="; ".join(item.describe() for item in prices.traded.values()),
    )


def trials_of(
    strategies: Sequence[Strategy],
    prices: Given,
    terms: AccountTerms,
    *,
    statistics: str = "bars",
    workers: int | None = None,
    device: str = "cpu",
) -> Iterator[Sequence[Trial]]:
    """Any variants of one strategy, backtested as `sweep` does: their trials in order, a chunk at a time.

    Nothing is counted here. `statistics`, `workers` and `device` are as in `sweep`.
    """
    task = _Task(given=prices, terms=terms, by_bar=statistics == "bars", device=device)
    task.check_device(strategies)

    def variants(start: int, stop: int) -> list[Strategy]:
        return list(strategies[start:stop])

    if strategies:
        yield from _results(variants, len(strategies), task, form=strategies[0].form, workers=workers)


class _Grid:
    """The combinations of a grid, the last parameter changing fastest: numbers, made dicts when asked for."""

    def __init__(
        self, axes: Mapping[str, Sequence[int | float]], *, where: Callable[..., bool] | None
    ) -> None:
        for name, values in axes.items():
            if not values or len(set(values)) != len(values):
                raise BadInputError(f"grid {name}: expected one or more different values, found {values}")
        if not axes:
            raise BadInputError("grid: expected values for one or more parameters, found none")
        self._axes = axes
        self._kept: Sequence[int] = range(math.prod(map(len, axes.values())))
        if where is not None:
            count = len(self._kept)
            self._kept = np.flatnonzero([bool(where(**self._point(at))) for at in self._kept]).tolist()
            if not self._kept:
                raise BadInputError(f"grid: `where` refused all {count} combinations; widen the grid")

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, at: int) -> Parameters:
        return self._point(self._kept[at])

    def _point(self, number: int) -> Parameters:
        found: Parameters = {}
        for name, values in reversed(list(self._axes.items())):
            number, place = divmod(number, len(values))
            found[name] = values[place]
        return {name: found[name] for name in self._axes}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    given: Given
    terms: AccountTerms
    by_bar: bool
    device: str = "cpu"

    @cached_property
    def cost_book_version(self) -> str:
        """Hashed once, not for every trial."""
        return self.terms.cost_books[-1].version

    @cached_property
    def plain(self) -> PlainRun | None:
        """The fast path, where it applies."""
        return PlainRun.prepared(self.given, self.terms)

    @cached_property
    def figures(self) -> Figures:
        """Of the plain run."""
        (bars,) = self.given.traded.values()
        return Figures(
            close_ns=bars.close_ns,
            micro_per_point=bars.instrument.micro_per_point,
            start=self.terms.balance,
        )

    @cached_property
    def dataset(self) -> str:
        """Of all prices."""
        first = next(iter(self.given.decided.values()))
        return first.fingerprint

    @cached_property
    def on_card(self) -> "DeviceRun | None":
        """The same on a card, where that is asked for."""
        if self.device == "cpu":
            return None
        from workbench.research.gpu import DeviceRun, open_card  # takes a while

        card = open_card()
        if self.plain is None:
            raise BadInputError(
                "device='cuda': expected one instrument in a netting account of its own currency, with "
                "commission by value, a yearly rate of financing and no latency, found an account or prices "
                "that take the event loop; leave device='cpu'"
            )
        ((name, bars),) = self.given.decided.items()
        return DeviceRun(
            self.plain,
            card,
            bars,
            first=self.given.first[name],
            others=self.given.others,
            last=self.figures.days.last if self.by_bar else None,
        )

    def check_device(self, strategies: Sequence[Strategy]) -> None:
        """Say now what a card would not run."""
        if self.device not in _DEVICES:
            raise BadInputError(f"device: expected {' or '.join(_DEVICES)}, found {self.device!r}")
        if self.on_card is None:
            return
        for item in strategies:
            if item.form != "rules" or not item.traced().fast:
                found = "rules with other orders or sizes" if item.form == "rules" else item.form
                raise BadInputError(
                    f"device='cuda': expected {item.name} to have rules with market entries, sizes by units "
                    f"or risk, and no exits by side or by time, found {found}; leave device='cpu'"
                )

    def compiled(self, strategies: Sequence[Strategy]) -> TrialTable:
        """Trials of rules strategies that share their indicators."""
        plain = self.plain
        rules = [item.traced() for item in strategies]
        if plain is None or not all(item.fast for item in rules):
            return TrialTable.of([self.trial(item, self.result(item).metrics) for item in strategies])
        if self.on_card is not None:
            sums, void = self.on_card.sums(rules)
        else:
            ((name, bars),) = self.given.decided.items()
            signals = signals_of(rules, bars, first=self.given.first[name], others=self.given.others)
            last = self.figures.days.last if self.by_bar else None
            sums, void = plain.sums(rules, signals, last=last)
        figures = self.figures.of(sums, by_bar=self.by_bar)
        for run in np.flatnonzero(void).tolist():
            trial = self.trial(strategies[run], self.result(strategies[run]).metrics)
            for figure, column in figures.items():
                column[run] = trial.result.get(figure, math.nan)
        return TrialTable(
            strategy=strategies[0].name,
            dataset=self.dataset,
            cost_book=self.cost_book_version,
            count=len(strategies),
            parameters={
                name: number_column([item.params[name] for item in strategies])
                for name in strategies[0].params
            },
            figures=figures,
        )

    def result(self, strategy: Strategy) -> BacktestResult:
        """The whole backtest."""
        return backtest_of(strategy, self.given, self.terms)

    def trial(self, strategy: Strategy, metrics: Metrics) -> Trial:
        """A line of the ledger."""
        if not self.by_bar:
            metrics = {name: value for name, value in metrics.items() if name not in BY_BAR}
        return Trial(
            strategy=strategy.name,
            parameters=strategy.params,
            dataset=self.dataset,
            cost_book=self.cost_book_version,
            result=metrics,
        )


def _results(
    variants: Callable[[int, int], list[Strategy]],
    count: int,
    task: _Task,
    *,
    form: str,
    workers: int | None,
) -> Iterator[TrialTable]:
    """Trials of so many variants in order, a chunk at a time; each chunk is made where it is run."""
    if form != "rules":
        for at in range(count):
            (strategy,) = variants(at, at + 1)
            yield TrialTable.of([task.trial(strategy, task.result(strategy).metrics)])
        return
    bars = sum(len(item) for item in task.given.decided.values())
    work = count * bars
    threads = workers or (min(2, os.cpu_count() or 1) if work >= _WORTH_A_THREAD else 1)
    fitting = max(1, _CHUNK_BYTES // bars)
    size = _chunk_size(count, most=min(_CHUNK_LIMIT, fitting), threads=threads)
    if task.on_card is not None:
        threads, size = 1, min(task.on_card.size, count)
    if task.plain is not None:
        _ = task.figures.days, task.plain.path.extremes  # once, before the threads

    def chunk(start: int) -> TrialTable:
        return task.compiled(variants(start, min(count, start + size)))

    if threads == 1:
        yield from map(chunk, range(0, count, size))
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="sweep") as pool:
        try:
            yield from pool.map(chunk, range(0, count, size))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _chunk_size(count: int, *, most: int, threads: int) -> int:
    """Variants in a chunk: as many chunks for each thread, so that all end together."""
    rounds = -(-count // (most * threads))
    return max(1, -(-count // (rounds * threads)))
