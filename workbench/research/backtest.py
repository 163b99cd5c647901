"""Backtests: compiled for rules, event by event for `on_bar` and `on_tick` and as the reference for all."""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from workbench.domain.accounts import AccountMode, AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.money import to_micro
from workbench.domain.timeframes import Timeframe
from workbench.engine.accounts import as_cost_books
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research.account_terms import AccountTerms
from workbench.research.callback import run_by_callback
from workbench.research.compiled_run import run_compiled
from workbench.research.given import Given, Several, first_traded, given
from workbench.research.ledger import TrialLedger
from workbench.research.outcome import Outcome
from workbench.research.replay import run_replayed
from workbench.research.result import BacktestResult
from workbench.strategy import Strategy, spec
from workbench.strategy.quantities import check_numbers

__all__ = [
    "account_rules",
    "backtest_of",
    "first_traded",
    "replay_backtest",
    "run_backtest",
    "starting_balance",
]

_BALANCE = Decimal(100_000)
_RULES = AccountRules()
_ENGINES = ("workbench", "vectorbt")


def run_backtest(
    strategy: Strategy,
    data: Several,
    *,
    cost_book: CostBook | Sequence[CostBook],
    currency: str = "USD",
    balance: Decimal = _BALANCE,
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    mode: AccountMode | str | None = None,
    latency_ns: int | None = None,
    trade_from_ns: int | None = None,
    sizes: bool = False,
    ledger: TrialLedger | None = None,
    engine: str = "workbench",
) -> BacktestResult:
    """Trade `strategy`; rules run compiled, an `on_bar` or `on_tick` strategy event by event.

    A decision is made at each bar's close, with all bars that close then, and its orders wait for the next
    quotes: buys fill at the ask, sells at the bid, costs come from `cost_book`.

    Parameters
    ----------
    data
        Bars or ticks of what is traded: of one instrument, or of several as a mapping or a sequence, whose
        timeframes may differ. Ticks need `timeframe`, the bars that are decided on; bars beside them keep
        their own.
    cost_book
        One, or several dated ones, each in force from its day on.
    balance
        What the account starts with, in `currency`.
    finer
        Shorter bars or ticks of instruments in `data`, on which their orders are matched: they tell which of
        stop and target came first within a bar.
    also
        Bars or ticks of instruments that are not traded: to convert to `currency`, and bars to be looked at
        by rules.
    account, mode, latency_ns
        How the account is kept; the mode (NETTING, HEDGING, FIFO) and the time from a decision to the first
        quote that can fill its orders may be given alone.
    trade_from_ns
        Trading (and the account) begins with the first bar that closes after this; bars before it only
        warm up the indicators.
    sizes
        Whether an order takes from a tick no more than the size recorded with it, and waits on (or is
        dropped, by its time in force) with the rest. Left out, any size is filled whole at the quote, and
        the result tells how many fills were larger than what was on offer.
    ledger
        Where the trial is counted.
    engine
        "vectorbt" runs what vectorbt can express through its portfolio, without margin and financing, and
        gives that beside the result.

    Raises
    ------
    BadInputError
        Nothing to trade, a balance that is not above zero, or for vectorbt a feature it does not have.
    UnsupportedAccountCurrencyError
        An instrument is not quoted in `currency` and no pair to convert by is given.
    """
    if engine not in _ENGINES:
        raise BadInputError(f"engine: expected {' or '.join(_ENGINES)}, found {engine!r}")
    if not isinstance(strategy, Strategy):
        name = strategy.__name__ if isinstance(strategy, type) else type(strategy).__name__
        hint = f"; write {name}()" if isinstance(strategy, type) and issubclass(strategy, Strategy) else ""
        raise BadInputError(f"strategy: expected a strategy with its parameters, found {name}{hint}")
    rules = account_rules(account, mode, latency_ns)
    prices = given(
        data, finer=finer, also=also, timeframe=timeframe, trade_from_ns=trade_from_ns, sizes=sizes
    )
    terms = _terms(cost_book, currency, balance, rules)
    if engine == "vectorbt":
        from workbench.research.vectorbt_run import run_vectorbt  # takes seconds to import

        result: BacktestResult = run_vectorbt(strategy, prices, terms)
    else:
        result = backtest_of(strategy, prices, terms)
    if ledger is not None:
        ledger.record([result.trial()])
    return result


def replay_backtest(
    strategy: Strategy,
    data: Several,
    *,
    cost_book: CostBook | Sequence[CostBook],
    currency: str = "USD",
    balance: Decimal = _BALANCE,
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    mode: AccountMode | str | None = None,
    latency_ns: int | None = None,
    trade_from_ns: int | None = None,
    sizes: bool = False,
    ledger: TrialLedger | None = None,
) -> BacktestResult:
    """The same as `run_backtest`, event by event through `MatchingEngine` and `StrategyRunner`, as live."""
    rules = account_rules(account, mode, latency_ns)
    prices = given(
        data, finer=finer, also=also, timeframe=timeframe, trade_from_ns=trade_from_ns, sizes=sizes
    )
    terms = _terms(cost_book, currency, balance, rules)
    _check_ticks(strategy, prices)
    if strategy.form == "rules":
        check_numbers(strategy.traced(), prices.price_range)
    result = _result(strategy, prices, terms, run_replayed(strategy, prices, terms), path="replay")
    if ledger is not None:
        ledger.record([result.trial()])
    return result


def backtest_of(strategy: Strategy, prices: Given, terms: AccountTerms) -> BacktestResult:
    """The backtest of a strategy on prices that are in order already."""
    if strategy.form == "rules":
        check_numbers(strategy.traced(), prices.price_range)
        outcome = run_compiled(strategy.traced(), prices, terms)
        return _result(strategy, prices, terms, outcome, path="compiled")
    _check_ticks(strategy, prices)
    found = run_by_callback(strategy, prices, terms)
    if found is not None:
        return _result(strategy, prices, terms, found, path="callback")
    return _result(strategy, prices, terms, run_replayed(strategy, prices, terms), path="replay")


def account_rules(
    account: AccountRules, mode: AccountMode | str | None, latency_ns: int | None
) -> AccountRules:
    """How an account is kept, with the mode and the latency that were given alone.

    Raises
    ------
    BadInputError
        There is no such mode, or the latency is no whole number of 0 or more.
    """
    if mode is not None:
        try:
            account = replace(account, mode=AccountMode(str(mode).upper()))
        except ValueError:
            raise BadInputError(f"mode: expected one of {', '.join(AccountMode)}, found {mode!r}") from None
    if latency_ns is not None:
        if isinstance(latency_ns, bool) or not isinstance(latency_ns, int) or latency_ns < 0:
            raise BadInputError(
                f"latency_ns: expected nanoseconds, a whole number of 0 or more, found {latency_ns!r}"
            )
        account = replace(account, latency_ns=latency_ns)
    return account


def starting_balance(balance: Decimal) -> int:
    """A balance in micro-units.

    Raises
    ------
    BadInputError
        It is not above zero, or no amount.
    """
    try:
        micro = to_micro(balance)
    except (ValueError, ArithmeticError):
        raise BadInputError(
            f"balance: expected an amount such as 100000 or 2500.50, found {balance!r}"
        ) from None
    if micro <= 0:
        raise BadInputError(f"balance: expected an amount above 0, found {balance}")
    return micro


def _terms(
    cost_book: CostBook | Sequence[CostBook], currency: str, balance: Decimal, rules: AccountRules
) -> AccountTerms:
    if not (isinstance(currency, str) and re.fullmatch(r"[A-Z]{3}", currency)):
        raise BadInputError(f"currency: expected three capital letters such as USD, found {currency!r}")
    if not isinstance(cost_book, CostBook | Sequence):
        raise BadInputError(f"cost_book: expected a cost book or several dated ones, found {cost_book!r}")
    return AccountTerms(
        currency=currency,
        balance=starting_balance(balance),
        cost_books=as_cost_books(cost_book),
        rules=rules,
    )


def _check_ticks(strategy: Strategy, prices: Given) -> None:
    bars = [name for name in prices.decided if isinstance(prices.matched[name], Bars)]
    if strategy.form == "on_tick" and bars:
        raise BadInputError(
            f"{strategy.name}: on_tick is asked at every quote, found bars of {', '.join(bars)}; "
            "give ticks, as data or as finer=, or write on_bar"
        )


def _result(
    strategy: Strategy, prices: Given, terms: AccountTerms, outcome: Outcome, *, path: str
) -> BacktestResult:
    traded = prices.traded
    first = next(iter(traded))
    return BacktestResult(
        spec=spec(strategy),
        parameters=strategy.params,
        bars=traded[first],
        warm_up_bars=sum(prices.first.values()),
        cost_book=terms.cost_books[-1],
        cost_books=terms.cost_books,
        currency=terms.currency,
        starting_balance=terms.balance,
        outcome=outcome,
        path=path,
        account=terms.rules,
        given=prices,
        rules=strategy.traced() if strategy.form == "rules" else None,
    )
