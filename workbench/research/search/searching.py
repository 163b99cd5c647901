"""Searching the parameters of a strategy, the instrument and the timeframe, by any method, anywhere."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.research.backtest import starting_balance
from workbench.research.given import Series, Several, series_of
from workbench.research.ledger import TrialLedger
from workbench.research.markets import Prices, instruments_of, timeframes_of
from workbench.research.search.describing import digest_of
from workbench.research.search.genetic import Genetic
from workbench.research.search.goals import goals_of
from workbench.research.search.kept import SearchFolder
from workbench.research.search.methods import Grid, Method, Random
from workbench.research.search.optuna_methods import Nsga2, Tpe
from workbench.research.search.result import SearchResult
from workbench.research.search.running import Plan, Run
from workbench.research.search.space import Where, space_of
from workbench.research.search.work import Work
from workbench.research.search.workers import InProcess, Processes, Workers
from workbench.strategy import Strategy

__all__ = ["METHODS", "identity", "search"]

METHODS: Mapping[str, Callable[[], Method]] = {
    "grid": Grid,
    "random": Random,
    "tpe": Tpe,
    "nsga2": Nsga2,
    "genetic": Genetic,
}
_RULES = AccountRules()
_STATISTICS = ("bars", "trades")


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
    sizes: bool = False,
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
    data, cost_book, currency, balance, finer, also, timeframe, account, trade_from_ns, sizes
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
    plan = _planned(locals())
    run = Run(
        plan,
        workers=_workers(workers),
        folder=None if folder is None else SearchFolder(folder, plan.description),
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
    asked = inspect.signature(search).bind(strategy_class, data, space, **options)
    asked.apply_defaults()
    return digest_of(_planned(asked.arguments).description, idea=idea)


def _planned(asked: Mapping[str, Any]) -> Plan:
    """The arguments of `search` by their names, checked."""
    if asked["statistics"] not in _STATISTICS:
        raise BadInputError(f"statistics: expected {' or '.join(_STATISTICS)}, found {asked['statistics']!r}")
    strategy_class, frame = asked["strategy_class"], asked["timeframe"]
    method = _method(asked["method"])
    data, finer, also = (_series(what, asked[what]) for what in ("data", "finer", "also"))
    space = space_of(
        strategy_class,
        asked["space"],
        instruments=instruments_of(asked["instruments"], data),
        timeframes=timeframes_of(asked["timeframes"]),
        where=asked["where"],
    )
    work = Work(
        strategy_class=strategy_class,
        names=space.names,
        prices=Prices(
            data=data,
            finer=finer,
            also=also,
            timeframe=None if frame is None else str(timeframe_named(frame)),
            sizes=asked["sizes"],
        ),
        cost_books=as_cost_books(asked["cost_book"]),
        currency=asked["currency"],
        balance=starting_balance(asked["balance"]),
        rules=asked["account"],
        trade_from_ns=asked["trade_from_ns"],
        statistics=asked["statistics"],
    )
    goals = goals_of(asked["goals"], limit=method.goals, method=method.name, statistics=asked["statistics"])
    return Plan(work=work, space=space, method=method, goals=goals)


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
