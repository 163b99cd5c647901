"""Returns of many trials side by side: a row a period, a column a trial."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.timeframes import Timeframe
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.research.account_terms import AccountTerms
from workbench.research.backtest import backtest_of, starting_balance
from workbench.research.compiled_run import PlainRun, signals_of
from workbench.research.given import Given, Several, given
from workbench.research.statistics import DayEnds, day_ends
from workbench.strategy import Strategy

__all__ = ["TrialReturns", "checked_returns", "effective_trials", "trial_returns"]

Floats = npt.NDArray[np.float64]
_RULES = AccountRules()
_CHUNK_BYTES = 128 * 2**20  # of signals held at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialReturns:
    """Daily returns of trials."""

    sessions: tuple[date, ...]
    parameters: tuple[Mapping[str, int | float], ...]  # of each column
    returns: Floats  # (sessions, trials)

    @property
    def frame(self) -> pd.DataFrame:
        """The same, labelled: sessions down, numbers of the trials across."""
        return pd.DataFrame(self.returns, index=pd.Index(self.sessions, name="session"))

    @property
    def sharpe(self) -> Floats:
        """Sharpe ratio per day of each trial; 0 where the returns do not vary."""
        deviation = self.returns.std(axis=0, ddof=1)
        varies = deviation > 0.0
        ratio: Floats = np.where(varies, self.returns.mean(axis=0) / np.where(varies, deviation, 1.0), 0.0)
        return ratio


def trial_returns(
    strategy_class: type[Strategy],
    data: Several,
    parameters: Iterable[Mapping[str, int | float]],
    *,
    cost_book: CostBook | Sequence[CostBook],
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    trade_from_ns: int | None = None,
    progress: bool = True,
) -> TrialReturns:
    """Daily returns of each of `parameters`, with the equity of `run_backtest`.

    Parameters
    ----------
    parameters
        Of each trial, as in ``[trial.parameters for trial in sweep_result.trials]``: trials of a sweep were
        counted there and are not counted again.
    data, cost_book, currency, balance, finer, also, timeframe, account, trade_from_ns
        As in `run_backtest`.

    Raises
    ------
    BadInputError
        No parameters, or something a backtest does not take.
    """
    strategies = [strategy_class(**item) for item in parameters]
    if not strategies:
        raise BadInputError("parameters: expected those of one trial or more, found none")
    prices = given(data, finer=finer, also=also, timeframe=timeframe, trade_from_ns=trade_from_ns)
    terms = AccountTerms(
        currency=currency,
        balance=starting_balance(balance),
        cost_books=as_cost_books(cost_book),
        rules=account,
    )
    bars = sum(len(item) for item in prices.decided.values())
    size = max(1, min(1_024, _CHUNK_BYTES // max(bars, 1)))
    closes = np.unique(np.concatenate([item.close_ns for item in prices.traded.values()]))
    days = day_ends(closes)
    found = np.empty((len(days.sessions), len(strategies)))
    plain = PlainRun.prepared(prices, terms) if strategies[0].form == "rules" else None
    with tqdm(total=len(strategies), unit="trial", leave=False, disable=not progress, delay=0.5) as bar:
        for start in range(0, len(strategies), size):
            chunk = strategies[start : start + size]
            columns = _returns(chunk, prices, terms, plain=plain, days=days)
            for at, column in enumerate(columns, start):
                found[:, at] = column
                bar.update(1)
    return TrialReturns(
        sessions=days.sessions, parameters=tuple(dict(item.params) for item in strategies), returns=found
    )


def _returns(
    strategies: Sequence[Strategy],
    prices: Given,
    terms: AccountTerms,
    *,
    plain: PlainRun | None,
    days: DayEnds,
) -> Iterable[Floats]:
    if plain is not None:
        rules = [item.traced() for item in strategies]
        if all(item.fast for item in rules):
            ((name, bars),) = prices.decided.items()
            signals = signals_of(rules, bars, first=prices.first[name], others=prices.others)
            room = plain.room(by_bar=True)
            for strategy, own, columns in zip(strategies, rules, signals, strict=True):
                if plain.totals(own, columns, room) is None:
                    yield backtest_of(strategy, prices, terms).daily.returns
                else:
                    yield days.equity(room.equity, start=terms.balance).returns
            return
    for strategy in strategies:
        yield backtest_of(strategy, prices, terms).daily.returns


def effective_trials(returns: Floats) -> float:
    """How many independent trials would be as various: the effective rank of their correlations.

    Notes
    -----
    Exponential of the entropy of the eigenvalues of the correlation matrix, as shares of their sum: Roy and
    Vetterli (2007), "The effective rank". With fewer periods than trials it can not pass the periods.
    Trials that do not vary are left out.
    """
    values = checked_returns(returns, trials=1)
    centred = values - values.mean(axis=0)
    scale = np.sqrt(np.square(centred).sum(axis=0))
    kept = scale > 1e-12 * np.abs(values).max(axis=0) * np.sqrt(len(values))
    if not kept.any():
        return 1.0
    unit = centred[:, kept] / scale[kept]
    small = unit @ unit.T if unit.shape[0] < unit.shape[1] else unit.T @ unit
    shares = np.clip(np.linalg.eigvalsh(small), 0.0, None)
    shares = shares[shares > 0.0] / shares.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def checked_returns(returns: Floats, *, trials: int) -> Floats:
    """The matrix as float64.

    Raises
    ------
    BadInputError
        Not periods by trials, fewer than `trials` columns, fewer than two rows, or a value that is no number.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 2 or values.shape[1] < trials or values.shape[0] < 2:
        raise BadInputError(
            f"returns: expected 2 periods or more down and {trials} trials or more across, found shape "
            f"{values.shape}"
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0].tolist()
        raise BadInputError(
            f"returns: expected finite numbers, found {values[row, column]} in row {row}, column {column}; "
            "leave the trial out or give it 0 where it did not trade"
        )
    return values
