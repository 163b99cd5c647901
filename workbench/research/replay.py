"""The replay: a backtest event by event through `MatchingEngine` and `StrategyRunner`, as live.

It is the reference for what runs compiled, and how strategies written with `on_bar` and `on_tick` are tested.
"""

import heapq
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine
from workbench.engine.core import FILL_SIZE
from workbench.engine.matching import FILL_REASONS
from workbench.market import Bars
from workbench.research.account_terms import AccountTerms
from workbench.research.given import Given
from workbench.research.outcome import BACKTEST, Outcome, event_of_bar, order_key
from workbench.strategy import Decision, Strategy, StrategyRunner

__all__ = ["run_replayed"]

Ints = npt.NDArray[np.int64]

_RANGE, _CLOSE, _QUOTE = range(3)  # what happens first at an instant
_Event = tuple[int, int, int, int]  # time, which of these, instrument, index


def run_replayed(strategy: Strategy, given: Given, terms: AccountTerms) -> Outcome:
    """Trade `strategy` on what is given, one event at a time.

    Raises
    ------
    EngineError
        A conversion pair has no quote yet when it is needed, or an amount is too large to count.
    """
    names = [item.id for item in given.instruments]
    traded = [item for item in given.instruments if item.id in given.decided]
    others = [item for item in given.instruments if item.id not in given.decided]
    first = given.decided[traded[0].id]
    runner = StrategyRunner(strategy, traded, first.timeframe, BACKTEST, others=others)
    by_tick = strategy.form == "on_tick"
    only_ticks = by_tick and type(strategy).on_bar is Strategy.on_bar
    engine = MatchingEngine(
        instruments=given.instruments,
        cost_book=terms.cost_books,
        currency=terms.currency,
        balance=terms.balance,
        rules=terms.rules,
    )
    books = _Books(engine, names)
    for _, group in groupby(_warm_up(given, names), key=lambda event: event[0]):
        runner.warm_up_bars([_bar_of(given, names[k], i) for _, _, k, i in group])
    for (_, part), group in groupby(_events(given, names), key=lambda event: event[:2]):
        if part == _CLOSE:
            events = list(group)
            bars = [_bar_of(given, names[k], i) for _, _, k, i in events]
            if only_ticks or not any(names[k] in given.decided for _, _, k, _ in events):
                runner.warm_up_bars(bars)
                continue
            account = engine.account()
            event_seq = books.begin_round(bars[0].close_ns, account.equity)
            decision = runner.on_bars(bars, account, event_seq)
            books.follow(decision, event_seq)
            continue
        for _, _, k, i in group:
            item = given.matched[names[k]]
            if part == _RANGE:
                assert isinstance(item, Bars)
                books.take(item.bar(i))
            else:
                quote = _quote_of(given, names[k], i)
                books.take(quote)
                if by_tick and names[k] in given.decided:
                    account = engine.account()
                    event_seq = books.begin_round(quote.time_ns, account.equity)
                    decision = runner.on_tick(quote, account, event_seq)
                    books.follow(decision, event_seq)
    return books.outcome()


def _warm_up(given: Given, names: list[InstrumentId]) -> Iterator[_Event]:
    """The closes of bars before the first that is traded."""
    streams = []
    begin = min(int(given.traded[name].close_ns[0]) for name in given.traded)
    for k, name in enumerate(names):
        bars = given.decided.get(name, given.others.get(name))
        if bars is not None:
            last = given.first.get(name, int(np.searchsorted(bars.close_ns, begin, side="left")))
            streams.append([(int(at), _CLOSE, k, i) for i, at in enumerate(bars.close_ns[:last].tolist())])
    return heapq.merge(*streams)


def _events(given: Given, names: list[InstrumentId]) -> Iterator[_Event]:
    """Everything from the start of trading on, in order."""
    streams: list[Iterator[_Event]] = []
    begin = min(int(given.traded[name].close_ns[0]) for name in given.traded)
    for k, name in enumerate(names):
        item = given.matched[name]
        if isinstance(item, Bars):
            streams += [_stream(item.open_ns, _QUOTE, k), _stream(item.close_ns, _RANGE, k)]
        else:
            streams.append(_stream(item.time_ns, _QUOTE, k))
        bars = given.decided.get(name, given.others.get(name))
        if bars is not None:
            first = given.first.get(name, int(np.searchsorted(bars.close_ns, begin, side="left")))
            streams.append(_stream(bars.close_ns, _CLOSE, k, first))
    return heapq.merge(*streams)


def _stream(times: Ints, part: int, k: int, first: int = 0) -> Iterator[_Event]:
    return ((at, part, k, i) for i, at in enumerate(times[first:].tolist(), first))


def _bar_of(given: Given, name: InstrumentId, index: int) -> Bar:
    bars = given.decided[name] if name in given.decided else given.others[name]
    return bars.bar(index)


def _quote_of(given: Given, name: InstrumentId, index: int) -> Quote:
    item = given.matched[name]
    if isinstance(item, Bars):
        bar = item.bar(index)
        return Quote(instrument=bar.instrument, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
    bid, ask = int(item.bid[index]), int(item.ask[index])
    offered = (int(item.bid_size[index]), int(item.ask_size[index])) if given.by_size else (0, 0)
    return Quote(
        instrument=name,
        time_ns=int(item.time_ns[index]),
        bid=bid,
        ask=ask,
        bids=((bid, offered[0]),) if offered[0] else (),
        asks=((ask, offered[1]),) if offered[1] else (),
    )


class _Books:
    """Writes down what the engine does, in the columns of the compiled runs."""

    def __init__(self, engine: MatchingEngine, names: list[InstrumentId]) -> None:
        self._engine = engine
        self._book = {name: k for k, name in enumerate(names)}
        self._keys: dict[ClientOrderId, int] = {}
        self._rows: list[tuple[int, ...]] = []
        self._fill_round: list[int] = []
        self._financing: list[tuple[int, int, int]] = []
        self._paid: dict[InstrumentId, int] = {}
        self._refused: list[tuple[int, str]] = []
        self._spread: dict[InstrumentId, int] = {}
        self._round_ns: list[int] = []
        self._equity: list[int] = []

    def begin_round(self, time_ns: int, equity: int) -> int:
        """Note the account before a decision; the number of the event that is decided on."""
        self._round_ns.append(time_ns)
        self._equity.append(equity)
        return event_of_bar(len(self._equity) - 1)

    def take(self, event: Quote | Bar) -> None:
        """Give the engine one event."""
        if isinstance(event, Quote):
            self._spread[event.instrument] = event.ask - event.bid
            fills = self._engine.on_quote(event)
        else:
            fills = self._engine.on_bar(event)
        self._note_financing()
        for fill in fills:
            # a close-out within a bar happens at the bar's closing quote
            closing = isinstance(event, Bar) and fill.reason == "MARGIN_CLOSEOUT"
            spread = self._spread[fill.instrument]
            if closing and isinstance(event, Bar) and fill.instrument == event.instrument:
                spread = event.ask_close - event.bid_close
            self._rows.append(
                (
                    self._keys[fill.client_order_id],
                    self._book[fill.instrument],
                    fill.time_ns,
                    fill.units,
                    fill.price,
                    FILL_REASONS.index(fill.reason),
                    fill.commission,
                    fill.realized,
                    fill.position,
                    fill.balance,
                    spread,
                    self._keys[fill.trade] if fill.trade is not None else 0,
                    fill.remaining,
                )
            )
            self._fill_round.append(len(self._equity))
        if isinstance(event, Bar):
            self._spread[event.instrument] = event.ask_close - event.bid_close
        for order_id, why in self._engine.take_canceled():
            self._refused.append((self._keys[order_id], why))

    def follow(self, decision: Decision, event_seq: int) -> None:
        """Withdraw, change and hand in what was decided on an event."""
        for name in decision.cancels:
            self._engine.cancel(name)
        for change in decision.changes:
            self._engine.change_exits(change)
        for number, order in enumerate(decision.orders):
            self._keys[order.client_order_id] = order_key(event_seq, number)
            self._engine.submit(order, at_ns=self._round_ns[-1])

    def outcome(self) -> Outcome:
        """All of it as arrays."""
        financing = np.array(self._financing, np.int64).reshape(-1, 3)
        return Outcome(
            fills=np.array(self._rows, np.int64).reshape(-1, FILL_SIZE),
            fill_bar=np.array(self._fill_round, np.int64),
            equity=np.array(self._equity, np.int64),
            financing_before_fill=financing[:, 0].copy(),
            financing_amount=financing[:, 1].copy(),
            refused=tuple(self._refused),
            ambiguous_bars=self._engine.ambiguous_bars,
            margin_calls=self._engine.account().margin_calls,
            round_ns=np.array(self._round_ns, np.int64),
            financing_book=financing[:, 2].copy(),
        )

    def _note_financing(self) -> None:
        """What rollovers have booked for each instrument since the last look."""
        for name, total in self._engine.financing().items():
            if total != self._paid.get(name, 0):
                before = len(self._rows)
                self._financing.append((before, total - self._paid.get(name, 0), self._book[name]))
                self._paid[name] = total
