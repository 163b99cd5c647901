"""Backtests: compiled for rules, event by event for `on_bar` and as the reference for both."""

from decimal import Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountRules
from workbench.domain.calendar import rollovers
from workbench.domain.cost_book import CostBook
from workbench.domain.money import to_micro
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine, account_books, account_tables
from workbench.engine.core import (
    A_AMBIGUOUS,
    C_ORDER,
    C_REASON,
    FILL_SIZE,
    new_account,
)
from workbench.engine.matching import CANCEL_REASONS, FILL_REASONS
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research.ledger import TrialLedger
from workbench.research.compiled_run import AccountTerms, run_compiled
from workbench.research.given import given
from workbench.research.outcome import BACKTEST, Outcome, event_of_bar, order_key
from workbench.research.result import BacktestResult
from workbench.strategy import Signals, Strategy, StrategyRunner, spec
from workbench.strategy.many_signals import evaluate_many

__all__ = ["Buffers", "first_traded", "replay_backtest", "rollover_columns", "run_backtest", "trade"]

Ints = npt.NDArray[np.int64]

_BALANCE = Decimal(100_000)


def run_backtest(
    strategy: Strategy,
    bars: Bars,
    *,
    cost_book: CostBook,
    currency: str = "USD",
    balance: Decimal = _BALANCE,
    trade_from_ns: int | None = None,
    ledger: TrialLedger | None = None,
) -> BacktestResult:
    """Trade `strategy` on `bars`; rules run compiled, an `on_bar` strategy goes through `replay_backtest`.

    A decision is made at each bar's close and filled at the next bar's opening quote: buys at the ask,
    sells at the bid, costs from `cost_book`.

    Parameters
    ----------
    balance
        What the account starts with, in `currency`, which must be the instrument's quote currency.
    trade_from_ns
        Trading (and the account) begins with the first bar that closes after this; bars before it only
        warm up the indicators.
    ledger
        Where the trial is counted.

    Raises
    ------
    BadInputError
        No bar to trade, or a balance that is not above zero.
    UnsupportedAccountCurrencyError
        The instrument is not quoted in `currency`.
    """
    if strategy.form != "rules":
        return replay_backtest(
            strategy,
            bars,
            cost_book=cost_book,
            currency=currency,
            balance=balance,
            trade_from_ns=trade_from_ns,
            ledger=ledger,
        )
    first = first_traded(bars, trade_from_ns)
    start = _starting(balance)
    terms = AccountTerms(currency=currency, balance=start, cost_books=(cost_book,), rules=AccountRules())
    outcome = run_compiled(strategy.traced(), given(bars, trade_from_ns=trade_from_ns), terms)
    result = BacktestResult(
        spec=spec(strategy),
        parameters=strategy.params,
        bars=bars.at(first, len(bars)),
        warm_up_bars=first,
        cost_book=cost_book,
        currency=currency,
        starting_balance=start,
        outcome=outcome,
        path="compiled",
    )
    if ledger is not None:
        ledger.record([result.trial()])
    return result


class Buffers:
    """Memory for the outcome of one backtest after another: fresh pages cost as much as the backtest."""

    def __init__(self) -> None:
        self.equity = self.fill_bar = np.empty(0, np.int64)
        self.fills = np.empty((0, FILL_SIZE), np.int64)

    def fit(self, *, bars: int, signals: int) -> None:
        """Have room for the equity of `bars` and for the fills that `signals` usually lead to."""
        if len(self.equity) != bars:
            self.equity = np.empty(bars, np.int64)
        wanted = 4 * signals + 64
        if len(self.fills) < wanted:
            self.fills = np.zeros((wanted, FILL_SIZE), np.int64)
            self.fill_bar = np.zeros(wanted, np.int64)


def trade(
    signals: Signals,
    bars: Bars,
    *,
    first: int,
    cost_book: CostBook,
    currency: str,
    balance: int,
    buffers: Buffers | None = None,
) -> Outcome:
    """Trade signals from bar `first` on with a balance in micro-units; the outcome lies in `buffers`."""
    record = bars.instrument
    account = new_account(balance)
    books = account_books([record], cost_book=cost_book, currency=currency)
    roll_ns, roll_days, costs = account_tables(
        [record],
        cost_book=cost_book,
        after_ns=int(bars.open_ns[first]) - 1,
        until_ns=int(bars.close_ns[-1]),
    )
    speaks = any_signal(
        signals.enter_long[first:],
        signals.enter_short[first:],
        signals.exit_long[first:],
        signals.exit_short[first:],
    )
    space = buffers or Buffers()
    space.fit(bars=len(bars) - first, signals=int(np.count_nonzero(speaks)))
    fills, fill_bar, canceled, financing_before, financing_amount = run_loop(
        bars.open_ns[first:],
        bars.close_ns[first:],
        bars.bid_open[first:],
        bars.bid_high[first:],
        bars.bid_low[first:],
        bars.bid_close[first:],
        bars.ask_open[first:],
        bars.ask_high[first:],
        bars.ask_low[first:],
        bars.ask_close[first:],
        signals.enter_long[first:],
        signals.enter_short[first:],
        signals.exit_long[first:],
        signals.exit_short[first:],
        signals.stop[first:],
        signals.target[first:],
        signals.has_stop,
        signals.has_target,
        signals.size_kind,
        signals.size_value,
        record.unit_step,
        record.minimum_units,
        account,
        books,
        roll_ns,
        roll_days,
        costs,
        speaks,
        space.fills,
        space.fill_bar,
        space.equity,
    )
    return Outcome(
        fills=fills,
        fill_bar=fill_bar,
        equity=space.equity,
        financing_before_fill=financing_before,
        financing_amount=financing_amount,
        refused=tuple((int(row[C_ORDER]), CANCEL_REASONS[int(row[C_REASON])]) for row in canceled),
        ambiguous_bars=int(account[A_AMBIGUOUS]),
    )


def replay_backtest(
    strategy: Strategy,
    bars: Bars,
    *,
    cost_book: CostBook,
    currency: str = "USD",
    balance: Decimal = _BALANCE,
    trade_from_ns: int | None = None,
    ledger: TrialLedger | None = None,
) -> BacktestResult:
    """The same as `run_backtest`, event by event through `MatchingEngine` and `StrategyRunner`, as live.

    Raises
    ------
    BadInputError
        No bar to trade, or a balance that is not above zero.
    UnsupportedAccountCurrencyError
        The instrument is not quoted in `currency`.
    """
    first = first_traded(bars, trade_from_ns)
    start = _starting(balance)
    runner = StrategyRunner(strategy, bars.instrument, bars.timeframe, BACKTEST)
    for index in range(first):
        runner.warm_up(bars.bar(index))
    engine = MatchingEngine(
        instruments=[bars.instrument], cost_book=cost_book, currency=currency, balance=start
    )
    traded = bars.at(first, len(bars))
    books = _Books(engine, bars=len(traded))
    for index in range(len(traded)):
        bar = traded.bar(index)
        books.take(
            Quote(instrument=bar.instrument, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open), index
        )
        books.take(bar, index)
        event_seq = event_of_bar(index)
        for number, order in enumerate(runner.on_bar(bar, engine.account(), event_seq)):
            books.submit(order, order_key(event_seq, number))
    result = BacktestResult(
        spec=spec(strategy),
        parameters=strategy.params,
        bars=traded,
        warm_up_bars=first,
        cost_book=cost_book,
        currency=currency,
        starting_balance=start,
        outcome=books.outcome(),
        path="replay",
    )
    if ledger is not None:
        ledger.record([result.trial()])
    return result


class _Books:
    """Writes down what the engine does, in the columns of the compiled loop."""

    def __init__(self, engine: MatchingEngine, *, bars: int) -> None:
        self._engine = engine
        self._equity = np.empty(bars, np.int64)
        self._keys: dict[ClientOrderId, int] = {}
        self._rows: list[tuple[int, ...]] = []
        self._fill_bar: list[int] = []
        self._financing: list[tuple[int, int]] = []
        self._paid = 0
        self._refused: list[tuple[int, str]] = []
        self._spread = 0

    def take(self, event: Quote | Bar, index: int) -> None:
        """Give the engine one event of bar `index`."""
        if isinstance(event, Quote):
            self._spread = event.ask - event.bid
            fills = self._engine.on_quote(event)
        else:
            fills = self._engine.on_bar(event)
        account = self._engine.account()
        if account.financing != self._paid:
            self._financing.append((len(self._rows), account.financing - self._paid))
            self._paid = account.financing
        for fill in fills:
            # a close-out within a bar happens at the bar's closing quote
            reason = FILL_REASONS.index(fill.reason)
            closing = isinstance(event, Bar) and FILL_REASONS[reason] == "MARGIN_CLOSEOUT"
            spread = event.ask_close - event.bid_close if closing and isinstance(event, Bar) else self._spread
            self._rows.append(
                (
                    self._keys[fill.client_order_id],
                    0,
                    fill.time_ns,
                    fill.units,
                    fill.price,
                    reason,
                    fill.commission,
                    fill.realized,
                    fill.position,
                    fill.balance,
                    spread,
                    0,
                    fill.remaining,
                )
            )
            self._fill_bar.append(index)
        for order_id, why in self._engine.take_canceled():
            self._refused.append((self._keys[order_id], why))
        self._equity[index] = account.equity

    def submit(self, order: Order, key: int) -> None:
        """Hand in an order known by `key`."""
        self._keys[order.client_order_id] = key
        self._engine.submit(order)

    def outcome(self) -> Outcome:
        """All of it as arrays."""
        financing = np.array(self._financing, np.int64).reshape(-1, 2)
        return Outcome(
            fills=np.array(self._rows, np.int64).reshape(-1, FILL_SIZE),
            fill_bar=np.array(self._fill_bar, np.int64),
            equity=self._equity,
            financing_before_fill=financing[:, 0].copy(),
            financing_amount=financing[:, 1].copy(),
            refused=tuple(self._refused),
            ambiguous_bars=self._engine.ambiguous_bars,
        )


def first_traded(bars: Bars, trade_from_ns: int | None) -> int:
    """Index of the first bar that closes after `trade_from_ns`.

    Raises
    ------
    BadInputError
        There is no such bar.
    """
    first = 0 if trade_from_ns is None else int(np.searchsorted(bars.close_ns, trade_from_ns, side="right"))
    if first >= len(bars):
        raise BadInputError(
            f"expected bars that close after the start of trading, found {bars.describe()}; "
            "load later bars or start earlier"
        )
    return first


@lru_cache(maxsize=64)
def rollover_columns(start_ns: int, end_ns: int) -> tuple[Ints, Ints]:
    """Instants and days of the rollovers from `start_ns` to `end_ns`, both included."""
    found = list(rollovers(start_ns - 1, end_ns))
    return (
        np.array([instant for instant, _ in found], np.int64),
        np.array([days for _, days in found], np.int64),
    )


def _starting(balance: Decimal) -> int:
    try:
        micro = to_micro(balance)
    except (ValueError, ArithmeticError):
        raise BadInputError(
            f"balance: expected an amount such as 100000 or 2500.50, found {balance!r}"
        ) from None
    if micro <= 0:
        raise BadInputError(f"balance: expected an amount above 0, found {balance}")
    return micro
