"""Walk-forward: parameters chosen on what was known, then traded on what came next, window after window."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from workbench.domain.accounts import AccountRules
from workbench.domain.calendar import day_open_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.money import MICRO
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.ticks import Ticks
from workbench.research.backtest import run_backtest, starting_balance
from workbench.research.given import Series, Several, series_of
from workbench.research.ledger import Trial, TrialLedger
from workbench.research.markets import INSTRUMENT, TIMEFRAME, Prices, instruments_of, timeframes_of
from workbench.research.statistics import day_ends
from workbench.research.sweep import sweep
from workbench.research.sweep_result import SweepResult, joined_sweeps
from workbench.research.walk_forward_result import Span, WalkForwardResult, Window
from workbench.strategy import Strategy

__all__ = ["Length", "walk_forward", "windows_of"]

Ints = npt.NDArray[np.int64]
Length = int | str
_RULES = AccountRules()
_LENGTH = re.compile(r"\s*(\d+)\s*(D|W|M|Y)\s*", re.IGNORECASE)


def walk_forward(
    strategy_class: type[Strategy],
    bars: Several,
    *,
    grid: Mapping[str, Iterable[int | float]],
    train: Length,
    test: Length,
    cost_book: CostBook | Sequence[CostBook],
    anchored: bool = False,
    choose: str | Callable[[SweepResult], Trial] = "sharpe",
    instruments: Sequence[str] = (),
    timeframes: Sequence[str | Timeframe] = (),
    where: Callable[..., bool] | None = None,
    currency: str = "USD",
    balance: Decimal = Decimal(100_000),
    finer: Several | None = None,
    also: Several | None = None,
    timeframe: Timeframe | str | None = None,
    account: AccountRules = _RULES,
    trade_from_ns: int | None = None,
    sizes: bool = False,
    ledger: TrialLedger | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> WalkForwardResult:
    """Choose parameters in each window by a sweep, trade them in the time after it, and join those times.

    Parameters
    ----------
    grid, where
        What is swept in each window, as in `sweep`.
    train, test
        Lengths of the two parts: FX days that have bars (``250``), or time on the calendar (``"6M"``,
        ``"2Y"``, ``"13W"``, ``"90D"``). The next window begins where the test of the last one ended. A test
        at the end that is shorter than asked for is traded too.
    anchored
        Train from the first day on, so that the training grows; otherwise on the `train` just before.
    choose
        The figure of which the highest is taken, or a function of the sweep that returns one of its trials.
    instruments, timeframes
        Of those in `bars`, as in `search`: each window chooses one of them too, with the parameters. One that
        has no bars in a training is not to be chosen in it.
    bars, cost_book, currency, balance, finer, also, timeframe, account, trade_from_ns, sizes
        As in `run_backtest`.
    ledger
        Where every trial of every sweep, and every test, is counted.

    Raises
    ------
    BadInputError
        Fewer days than one training and a day of test, or something that a sweep does not take.

    Notes
    -----
    Each part sees the bars before it to warm up its indicators, never those after it. A bar belongs to the
    part in which it closes. Each test begins without a position and with the equity the test before it ended
    with; what is held at its end counts at the price that closes it, without a commission for doing so. A
    window in which no trial has the figure to choose by is not traded.
    """
    axes: dict[str, tuple[Any, ...]] = {name: tuple(values) for name, values in grid.items()}
    prices = Prices(
        data=tuple(series_of("data", bars).values()),
        finer=tuple(series_of("finer", finer).values()),
        also=tuple(series_of("also", also).values()),
        timeframe=None if timeframe is None else str(timeframe),
        sizes=sizes,
    )
    names = instruments_of(instruments, prices.data)
    frames = timeframes_of(timeframes)
    markets = [
        _Market.of(prices, name, frame, trade_from_ns) for name in names or [""] for frame in frames or [""]
    ]
    closes = np.unique(np.concatenate([item.closes for item in markets]))
    spans = windows_of(day_ends(closes).sessions, train=train, test=test, anchored=anchored)
    terms: dict[str, Any] = {
        "cost_book": cost_book,
        "currency": currency,
        "account": account,
        "ledger": ledger,
    }
    windows: list[Window] = []
    equity_micro = start = starting_balance(balance)
    for span in tqdm(spans, unit="window", leave=False, disable=not progress, delay=0.5):
        begin, middle, end = (
            day_open_ns(item) for item in (span.train_start, span.test_start, span.test_end)
        )
        if trade_from_ns is not None:
            begin = max(begin, trade_from_ns)
        swept = [
            sweep(
                strategy_class,
                grid=axes,
                balance=balance,
                trade_from_ns=begin,
                where=where,
                workers=workers,
                progress=False,
                **item.until(middle),
                **terms,
            )
            if item.trades_between(begin, middle)
            else None
            for item in markets
        ]
        trained = [(item, found) for item, found in zip(markets, swept, strict=True) if found is not None]
        whole = joined_sweeps([(item.labels, found) for item, found in trained])
        chosen = _chosen(whole, choose)
        market = None if chosen is None else _market_of(chosen, [item for item, _ in trained])
        tested = None
        if (
            chosen is not None
            and market is not None
            and market.trades_between(middle, end)
            and equity_micro > 0
        ):
            own = {name: value for name, value in chosen.parameters.items() if name not in market.labels}
            tested = run_backtest(
                strategy_class(**own),
                balance=Decimal(equity_micro) / MICRO,
                trade_from_ns=middle,
                **market.until(end),
                **terms,
            )
        inside = closes[np.searchsorted(closes, middle, "right") : np.searchsorted(closes, end, "right")]
        window = Window.of(span, swept=whole, chosen=chosen, tested=tested, closes=inside, start=equity_micro)
        equity_micro = int(window.equity[-1])
        windows.append(window)
    labels = {INSTRUMENT: tuple(names), TIMEFRAME: tuple(frames)}
    return WalkForwardResult(
        strategy=strategy_class.__name__,
        grid={**axes, **{name: values for name, values in labels.items() if values}},
        windows=tuple(windows),
        anchored=anchored,
        chosen_by=choose if isinstance(choose, str) else getattr(choose, "__name__", "a function"),
        currency=currency,
        starting_balance=start,
        description="; ".join(dict.fromkeys(text for item in markets for text in item.descriptions)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Market:
    """One of the markets to choose from, or all there is."""

    labels: Mapping[str, str]  # instrument and timeframe, where there is a choice of them
    prices: Prices
    closes: Ints  # of the bars that are traded
    descriptions: tuple[str, ...]

    @classmethod
    def of(cls, prices: Prices, instrument: str, timeframe: str, trade_from_ns: int | None) -> "_Market":
        own = prices.market(instrument, timeframe)
        found = own.given(trade_from_ns=trade_from_ns)
        labels = {INSTRUMENT: instrument, TIMEFRAME: timeframe}
        return cls(
            labels={name: value for name, value in labels.items() if value},
            prices=own,
            closes=np.unique(np.concatenate([item.close_ns for item in found.traded.values()])),
            descriptions=tuple(item.describe() for item in found.traded.values()),
        )

    def trades_between(self, begin_ns: int, end_ns: int) -> bool:
        """Whether one of its bars closes after one moment and by another."""
        first, last = np.searchsorted(self.closes, (begin_ns, end_ns), side="right")
        return bool(first < last)

    def until(self, end_ns: int) -> dict[str, Any]:
        """What a run is given of it: all that is known at a moment."""
        prices = self.prices
        return {
            "data": [_known(item, end_ns) for item in prices.data],
            "finer": [_known(item, end_ns) for item in prices.finer] or None,
            "also": [_known(item, end_ns) for item in prices.also] or None,
            "timeframe": prices.timeframe,
            "sizes": prices.sizes,
        }


def windows_of(sessions: Sequence[date], *, train: Length, test: Length, anchored: bool) -> list[Span]:
    """Training and test of each window, the tests one after the other without a gap.

    Raises
    ------
    BadInputError
        A length that is none, or too few days.
    """
    spans: list[Span] = []
    first = 0
    at = _after(sessions, 0, train, what="train")
    while at < len(sessions):
        end = _after(sessions, at, test, what="test")
        if not anchored:
            first = _before(sessions, at, train)
        past = sessions[end] if end < len(sessions) else sessions[-1] + timedelta(days=1)
        spans.append(Span(train_start=sessions[first], test_start=sessions[at], test_end=past))
        at = end
    if not spans:
        raise BadInputError(
            f"train {train}: expected more days than that, found {len(sessions)} with bars; "
            "train on less or load more"
        )
    return spans


def _after(sessions: Sequence[date], at: int, length: Length, *, what: str) -> int:
    """Where the part of `length` that begins at day `at` ends."""
    if isinstance(length, int):
        if length < 1:
            raise BadInputError(f"{what}: expected 1 day or more, found {length}")
        return at + length
    return (
        max(at + 1, bisect_left(sessions, _moved(sessions[at], length, sign=1))) if at < len(sessions) else at
    )


def _before(sessions: Sequence[date], at: int, length: Length) -> int:
    """Where the part of `length` that ends at day `at` begins."""
    if isinstance(length, int):
        return max(0, at - length)
    return min(at - 1, bisect_left(sessions, _moved(sessions[at], length, sign=-1)))


def _moved(day: date, length: str, *, sign: int) -> date:
    found = _LENGTH.fullmatch(length)
    if not found or not int(found[1]):
        raise BadInputError(
            f"expected a length such as 250 (days with bars), '90D', '13W', '6M' or '2Y', found {length!r}"
        )
    count, unit = sign * int(found[1]), found[2].upper()
    if unit in "DW":
        return day + timedelta(days=count * (7 if unit == "W" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "Y" else 1)
    year, month = divmod(months, 12)
    last = (date(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def _known(item: Series, end_ns: int) -> Series:
    if isinstance(item, Ticks):
        return item.between(None, end_ns)
    return item.at(0, int(np.searchsorted(item.close_ns, end_ns, side="right")))


def _chosen(swept: SweepResult, choose: str | Callable[[SweepResult], Trial]) -> Trial | None:
    if callable(choose):
        return choose(swept)
    known = any(choose in item.result for item in swept.trials)
    return swept.best(choose) if known else None


def _market_of(chosen: Trial, markets: Sequence[_Market]) -> _Market:
    """Where a trial was made."""
    return next(
        item
        for item in markets
        if all(str(chosen.parameters[name]) == value for name, value in item.labels.items())
    )
