"""Searching the parameters of a strategy, the instrument and the timeframe, by any method, anywhere."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.research.backtest import starting_balance
from workbench.research.given import Series, Several, series_of
from workbench.research.ledger import TrialLedger
from workbench.research.search.columns import Column, column_of
from workbench.research.search.describing import description_of, digest_of
from workbench.research.search.genetic import Genetic
from workbench.research.search.goals import Goal, goals_of
from workbench.research.search.kept import NUMBER, SearchFolder
from workbench.research.search.methods import Grid, Method, Random
from workbench.research.search.optuna_methods import Nsga2, Tpe
from workbench.research.search.result import SearchResult
from workbench.research.search.space import Point, Space, Where, space_of
from workbench.research.search.work import Chunk, Market, Work
from workbench.research.search.workers import InProcess, Processes, Team, Workers
from workbench.research.trial_table import TrialTable
from workbench.strategy import Strategy

__all__ = ["METHODS", "identity", "search"]

Floats = npt.NDArray[np.float64]

METHODS: Mapping[str, Callable[[], Method]] = {
    "grid": Grid,
    "random": Random,
    "tpe": Tpe,
    "nsga2": Nsga2,
    "genetic": Genetic,
}
_RULES = AccountRules()
_STATISTICS = ("bars", "trades")
_CHUNK_S = 1.0  # about how long a worker is at a chunk
_CHUNK_LIMIT = 4_096
_FIRST_CHUNK = 8


def search(
    strategy_class: type[Strategy],
    data: Several,
    space: Mapping[str, Any] | Sequence[str],
    *,
    cost_book: CostBook | Sequence[CostBook],
    method: Method | str = "grid",
    goals: str | Sequence[str] = "sharpe",
    instruments: Sequence[str] = (),
    timeframes: Sequence[str | Timeframe] = (),
    where: Where | None = None,
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    trade_from_ns: int | None = None,
    statistics: str = "bars",
    workers: Workers | int | str | None = None,
    folder: Path | str | None = None,
    ledger: TrialLedger | None = None,
    progress: bool = True,
) -> SearchResult:
    """Look for good parameters; every point that is backtested counts as a trial.

    Parameters
    ----------
    space
        Names of parameters, each with all values its declaration allows; or a mapping from the name to the
        values to try, or to None for those declared.
    method
        "grid", "random", "tpe", "nsga2" or "genetic" with their defaults, or one of `Grid`, `Random`, `Tpe`,
        `Nsga2`, `Genetic` with settings. With a seed and equal results a search asks for equal points.
    goals
        Figures of `DEFINITIONS` to make large, with a minus in front to make small, as in
        ``("sharpe", "-max_drawdown")``. One, but for NSGA-II.
    instruments
        Of those in `data`: each point trades one. Without it every point trades all of `data`.
    timeframes
        Each point trades bars of one, made of the bars or ticks in `data`.
    where
        Called with the parameters of each point by keyword; points it refuses are neither run nor counted.
    data, cost_book, currency, balance, finer, also, timeframe, account, trade_from_ns
        As in `run_backtest`.
    statistics
        As in `sweep`.
    workers
        None for this process; a number of processes; the address of a Dask scheduler (``tcp://…``); or
        `Processes`, `DaskWorkers`, `JoblibWorkers`.
    folder
        Where the trials are kept as they come. A search that was broken off goes on there when it is called
        again: what was done is not done, and not counted, again.
    ledger
        Where trials are counted, chunk by chunk and before they are kept: a count is never too low.

    Raises
    ------
    BadInputError
        Something given can not be used.
    OtherSearchError
        `folder` holds another search.
    LostWorkerError
        Workers end again and again at the same points.
    KeyboardInterrupt
        After the chunks that are under way, when Ctrl-C is pressed.
    """
    work, axes, chosen, wanted = _prepared(
        strategy_class,
        data,
        space,
        cost_book=cost_book,
        method=method,
        goals=goals,
        instruments=instruments,
        timeframes=timeframes,
        where=where,
        currency=currency,
        balance=balance,
        finer=finer,
        also=also,
        timeframe=timeframe,
        account=account,
        trade_from_ns=trade_from_ns,
        statistics=statistics,
    )
    run = _Run(
        work=work,
        space=axes,
        method=chosen,
        goals=wanted,
        workers=_workers(workers),
        folder=None if folder is None else SearchFolder(folder, description_of(work, axes, chosen, wanted)),
        ledger=ledger,
        progress=progress,
    )
    run.go()
    return run.result()


def identity(
    strategy_class: type[Strategy],
    data: Several,
    space: Mapping[str, Any] | Sequence[str],
    *,
    idea: str = "",
    **options: Any,
) -> str:
    """A name for the folder of a search of one idea: equal for equal searches, other for others.

    Parameters
    ----------
    options
        What `search` takes; where and how it is worked off makes no difference.
    """
    for name in ("workers", "folder", "ledger", "progress"):
        options.pop(name, None)
    return digest_of(description_of(*_prepared(strategy_class, data, space, **options)), idea=idea)


def _prepared(
    strategy_class: type[Strategy],
    data: Several,
    space: Mapping[str, Any] | Sequence[str],
    *,
    cost_book: CostBook | Sequence[CostBook],
    method: Method | str = "grid",
    goals: str | Sequence[str] = "sharpe",
    instruments: Sequence[str] = (),
    timeframes: Sequence[str | Timeframe] = (),
    where: Where | None = None,
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    trade_from_ns: int | None = None,
    statistics: str = "bars",
) -> tuple[Work, Space, Method, tuple[Goal, ...]]:
    if statistics not in _STATISTICS:
        raise BadInputError(f"statistics: expected {' or '.join(_STATISTICS)}, found {statistics!r}")
    chosen = _method(method)
    wanted = goals_of(goals, limit=chosen.goals, method=chosen.name, statistics=statistics)
    given_data = _series("data", data)
    names = _instruments(instruments, given_data)
    frames = [str(timeframe_named(item)) for item in timeframes]
    axes = space_of(strategy_class, space, instruments=names, timeframes=frames, where=where)
    work = Work(
        strategy_class=strategy_class,
        names=axes.names,
        data=given_data,
        finer=_series("finer", finer),
        also=_series("also", also),
        timeframe=None if timeframe is None else str(timeframe_named(timeframe)),
        cost_books=as_cost_books(cost_book),
        currency=currency,
        balance=starting_balance(balance),
        rules=account,
        trade_from_ns=trade_from_ns,
        statistics=statistics,
    )
    return work, axes, chosen, wanted


class _Run:
    """A search under way."""

    def __init__(
        self,
        *,
        work: Work,
        space: Space,
        method: Method,
        goals: tuple[Goal, ...],
        workers: Workers,
        folder: SearchFolder | None,
        ledger: TrialLedger | None,
        progress: bool,
    ) -> None:
        self._work = work
        self._space = space
        self._method = method
        self._goals = goals
        self._workers = workers
        self._team: Team | None = None  # from the first chunk on
        self._folder = folder
        self._ledger = ledger
        self._progress = progress
        self._kept = folder.load() if folder is not None else {}
        self._row = {int(number): row for row, number in enumerate(self._kept.get(NUMBER, ()))}
        self._parts: list[dict[str, Column]] = [self._kept] if self._kept else []
        self._scores: dict[int, tuple[float, ...]] = {}  # of what a method that learns was told
        self._numbers: dict[Point, int] = {}  # of points that a method may ask for again
        self._next = 0
        self._chunk = float(_FIRST_CHUNK)

    def go(self) -> None:
        """To the end."""
        asker = self._method.begin(self._space, goals=len(self._goals))
        total = self._method.total(self._space)
        bar = tqdm(total=total, unit="trial", leave=False, disable=not self._progress, delay=0.5)
        with bar, closing(self):
            while points := asker.ask():
                fresh = self._fresh(points)
                if self._row:
                    self._check_kept(fresh)
                todo = [item for item in fresh if item[0] not in self._row]
                bar.update(len(points) - len(todo))
                self._trade(todo, bar)
                if self._method.learns:
                    asker.tell(points, self._told(points))
        if self._folder is not None:
            self._folder.merge()

    def result(self) -> SearchResult:
        """What was found."""
        return SearchResult.of(
            self._parts, space=self._space, work=self._work, method=self._method, goals=self._goals
        )

    def _fresh(self, points: Sequence[Point]) -> list[tuple[int, Point]]:
        """The points that were not asked for before and that `where` accepts, with their numbers."""
        if not self._method.learns:
            found = list(enumerate(points, self._next))
            self._next += len(found)
            return found
        found = []
        for point in points:
            if point not in self._numbers and self._space.accepts(point):
                self._numbers[point] = self._next
                found.append((self._next, point))
                self._next += 1
        return found

    def _check_kept(self, fresh: Sequence[tuple[int, Point]]) -> None:
        for number, point in fresh:
            row = self._row.get(number)
            if row is None:
                continue
            kept = tuple(self._kept[name][row] for name in self._space.names)
            if any(a != b for a, b in zip(kept, point, strict=True)):
                raise BadInputError(
                    f"expected trial {number} of the folder to be {point}, found {kept}; `where` or the "
                    "library behind the method has changed: take another folder"
                )
            if self._method.learns:
                self._scores[number] = tuple(goal.score(self._kept, row) for goal in self._goals)

    def _trade(self, todo: Sequence[tuple[int, Point]], bar: "tqdm[Any]") -> None:
        if not todo:
            return
        chunks = _Cut(todo, self._work, self._size)
        began = time.monotonic()
        done = 0
        if self._team is None:
            self._team = self._workers.start(self._work)
        for chunk, table in self._team.results(chunks):
            self._keep(chunk, table)
            done += len(chunk.points)
            bar.update(len(chunk.points))
            rate = done / max(time.monotonic() - began, 1e-6) / self._team.count
            self._chunk = min(max(rate * _CHUNK_S, 1.0), self._chunk * 4, float(_CHUNK_LIMIT))

    def close(self) -> None:
        """Let the workers go."""
        if self._team is not None:
            self._team.close()
            self._team = None

    def _size(self) -> int:
        return max(1, int(self._chunk))

    def _keep(self, chunk: Chunk, table: TrialTable) -> None:
        """Count first: who is killed in between counts again, and never too low."""
        if self._ledger is not None:
            self._ledger.record(table)
        columns = {
            NUMBER: np.array(chunk.numbers, np.int64),
            **{
                name: column_of([point[at] for point in chunk.points])
                for at, name in enumerate(self._space.names)
            },
            **table.figures,
        }
        if self._folder is not None:
            self._folder.keep(columns)
        self._parts.append(columns)
        if self._method.learns:
            for row, number in enumerate(chunk.numbers):
                self._scores[number] = tuple(goal.score(table.figures, row) for goal in self._goals)

    def _told(self, points: Sequence[Point]) -> Floats:
        nothing = (np.nan,) * len(self._goals)
        rows = [self._scores[self._numbers[point]] if point in self._numbers else nothing for point in points]
        return np.array(rows, np.float64).reshape(len(points), len(self._goals))


class _Cut(Iterator[Chunk]):
    """Points cut into chunks of one market each, of a size that follows the rate."""

    def __init__(self, todo: Sequence[tuple[int, Point]], work: Work, size: Callable[[], int]) -> None:
        self._markets: dict[Market, list[tuple[int, Point]]] = {}
        for item in todo:
            self._markets.setdefault(work.market_of(item[1]), []).append(item)
        self._size = size
        self._at = 0

    def __next__(self) -> Chunk:
        while self._markets:
            market, items = next(iter(self._markets.items()))
            part = items[self._at : self._at + self._size()]
            if part:
                self._at += len(part)
                return Chunk(
                    numbers=tuple(number for number, _ in part),
                    points=tuple(point for _, point in part),
                    market=market,
                )
            del self._markets[market]
            self._at = 0
        raise StopIteration


def _method(method: Method | str) -> Method:
    if not isinstance(method, str):
        return method
    if method not in METHODS:
        raise BadInputError(f"method: expected one of {', '.join(METHODS)}, found {method!r}")
    return METHODS[method]()


def _workers(workers: Workers | int | str | None) -> Workers:
    if workers is None:
        return InProcess()
    if isinstance(workers, int):
        return Processes(workers)
    if isinstance(workers, str):
        if "://" not in workers:
            raise BadInputError(
                f"workers: expected a Dask scheduler's address such as tcp://host:8786, found {workers!r}; "
                "searches run on processors, here or on a cluster, and on no graphics card"
            )
        from workbench.research.search.dask_workers import DaskWorkers  # takes a while

        return DaskWorkers(workers)
    return workers


def _series(what: str, several: Several | None) -> tuple[Series, ...]:
    return tuple(series_of(what, several).values())


def _instruments(wanted: Sequence[str], data: Sequence[Series]) -> list[str]:
    there = [str(item.instrument.id) for item in data]
    strange = [str(name) for name in wanted if str(name) not in there]
    if strange:
        raise BadInputError(f"instruments: expected some of {', '.join(there)}, found {', '.join(strange)}")
    return [str(name) for name in wanted]
