"""Sweeps: every combination of a grid, backtested with the numbers of `run_backtest`, and counted."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from tqdm import tqdm

from workbench.domain.cost_book import CostBook
from workbench.domain.money import to_micro
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research.backtest import Buffers, first_traded, replay_backtest, trade
from workbench.research.ledger import Trial, TrialLedger
from workbench.research.result import BacktestResult
from workbench.research.sweep_result import SweepResult
from workbench.strategy import Strategy
from workbench.strategy.many_signals import evaluate_many

__all__ = ["sweep"]

_CHUNK_BYTES = 128 * 2**20  # of signals a worker holds at a time
_CHUNK_LIMIT = 64
_WORTH_A_THREAD = 20_000_000  # combination-bars below which a second thread costs more than it brings

Parameters = dict[str, int | float]


def sweep(
    strategy_class: type[Strategy],
    bars: Bars,
    grid: Mapping[str, Iterable[int | float]],
    *,
    cost_book: CostBook,
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    trade_from_ns: int | None = None,
    where: Callable[..., bool] | None = None,
    ledger: TrialLedger | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> SweepResult:
    """Backtest every combination of `grid`; each counts as a trial.

    Parameters
    ----------
    grid
        Values by parameter of the strategy; parameters left out keep their default.
    where
        Called with each combination by keyword, as in ``lambda fast, slow: fast < slow``; combinations it
        refuses are neither run nor counted.
    ledger
        Where the trials are counted, in one batch; when the sweep is interrupted, those done are.
    workers
        Threads; by default two when the sweep is large enough and the machine has them.

    Raises
    ------
    BadInputError
        An unknown parameter, a value the parameter does not take, a value given twice, or nothing left.
    """
    axes = {name: tuple(values) for name, values in grid.items()}
    strategies = [strategy_class(**item) for item in combinations(axes, where=where)]
    first = first_traded(bars, trade_from_ns)
    task = _Task(bars=bars, first=first, cost_book=cost_book, currency=currency, balance=balance)
    done: list[Trial] = []
    try:
        with tqdm(total=len(strategies), unit="trial", leave=False, disable=not progress, delay=0.5) as bar:
            for trials in _results(strategies, task, workers=workers):
                done.extend(trials)
                bar.update(len(trials))
    finally:
        if ledger is not None and done:
            ledger.record(done)
    return SweepResult(
        strategy=strategies[0].name,
        grid=axes,
        trials=tuple(done),
        currency=currency,
        description=bars.at(first, len(bars)).describe(),
    )


def combinations(
    axes: Mapping[str, Sequence[int | float]], *, where: Callable[..., bool] | None
) -> Iterator[Parameters]:
    """The combinations of a grid, the last parameter changing fastest."""
    for name, values in axes.items():
        if not values or len(set(values)) != len(values):
            raise BadInputError(f"grid {name}: expected one or more different values, found {values}")
    if not axes:
        raise BadInputError("grid: expected values for one or more parameters, found none")
    found = [dict(zip(axes, item, strict=True)) for item in itertools.product(*axes.values())]
    kept = [item for item in found if where is None or where(**item)]
    if not kept:
        raise BadInputError(f"grid: `where` refused all {len(found)} combinations; widen the grid")
    yield from kept


@dataclass(frozen=True, kw_only=True)
class _Task:
    bars: Bars
    first: int
    cost_book: CostBook
    currency: str
    balance: Decimal

    @cached_property
    def cost_book_version(self) -> str:
        """Hashed once, not for every trial."""
        return self.cost_book.version

    def compiled(self, strategies: Sequence[Strategy]) -> list[Trial]:
        """Trials of rules strategies that share their indicators."""
        signals = evaluate_many([item.traced() for item in strategies], self.bars)
        start = to_micro(self.balance)
        traded = self.bars.at(self.first, len(self.bars))
        buffers = Buffers()  # only figures are kept
        found: list[Trial] = []
        for strategy, columns in zip(strategies, signals, strict=True):
            outcome = trade(
                columns,
                self.bars,
                first=self.first,
                cost_book=self.cost_book,
                currency=self.currency,
                balance=start,
                buffers=buffers,
            )
            result = BacktestResult(
                spec={"class": strategy.name},
                parameters=strategy.params,
                bars=traded,
                warm_up_bars=self.first,
                cost_book=self.cost_book,
                currency=self.currency,
                starting_balance=start,
                outcome=outcome,
                path="compiled",
            )
            found.append(
                Trial(
                    strategy=strategy.name,
                    parameters=strategy.params,
                    dataset=self.bars.fingerprint,
                    cost_book=self.cost_book_version,
                    result=result.metrics,
                )
            )
        return found

    def replayed(self, strategy: Strategy) -> list[Trial]:
        """The trial of an `on_bar` strategy."""
        result = replay_backtest(
            strategy,
            self.bars,
            cost_book=self.cost_book,
            currency=self.currency,
            balance=self.balance,
            trade_from_ns=int(self.bars.close_ns[self.first]) - 1,
        )
        return [result.trial()]


def _results(strategies: Sequence[Strategy], task: _Task, *, workers: int | None) -> Iterator[list[Trial]]:
    """Trials in the order of `strategies`, a chunk at a time."""
    if strategies[0].form != "rules":
        for strategy in strategies:
            yield task.replayed(strategy)
        return
    work = len(strategies) * len(task.bars)
    threads = workers or (min(2, os.cpu_count() or 1) if work >= _WORTH_A_THREAD else 1)
    fitting = max(1, _CHUNK_BYTES // (20 * len(task.bars)))
    size = max(1, min(_CHUNK_LIMIT, fitting, -(-len(strategies) // threads)))
    chunks = [strategies[at : at + size] for at in range(0, len(strategies), size)]
    if threads == 1:
        yield from map(task.compiled, chunks)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="sweep") as pool:
        try:
            yield from pool.map(task.compiled, chunks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
