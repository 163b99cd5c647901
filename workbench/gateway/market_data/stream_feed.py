"""A feed from a stream: every quote into the bars, the latest of each instrument to the account and strategy.

What a slow reader is not given is only quotes that a later one of the same instrument replaced. Closed bars
are never dropped, nor is anything that concerns orders, which comes another way. What was given out is
recorded, so that it can be given again, and what a strategy saw can be shown.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import Timeframe
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import MissedQuotesError, Quotes, QuoteSource, no_quotes
from workbench.gateway.messages import BarClosed, FeedEvent, QuoteMoved
from workbench.market import BarBuilder

__all__ = ["StreamCounts", "StreamFeed"]

Ints = npt.NDArray[np.int64]
_NONE = np.empty(0, np.int64)
_SILENT_S = 10.0  # without any message, heartbeats too: the line is taken anew
_CLOSE_AFTER_NS = 2_000_000_000  # a bar without a quote behind it is closed when its end is so long ago
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 30.0


@dataclass(slots=True)
class StreamCounts:
    """What a stream did so far."""

    quotes: int = 0  # taken
    replaced: int = 0  # not given out because a later one came first
    late: int = 0  # older than one before of the same instrument, or than its closed bar; not taken
    crossed: int = 0  # without a sane price; not taken
    strange: int = 0  # of an instrument that is not traded
    gaps: int = 0  # times that numbers were missing
    fetched: int = 0  # quotes asked for again and had
    lost: int = 0  # quotes that could not be had again
    incomplete_bars: int = 0  # not given out, because quotes of theirs are missing
    reconnects: int = 0


def _at_once(ask: Callable[[], Quotes]) -> "Future[Quotes]":
    done: Future[Quotes] = Future()
    try:
        done.set_result(ask())
    except MissedQuotesError as error:
        done.set_exception(error)
    return done


@dataclass(frozen=True, slots=True)
class _Fetching:
    """Quotes that were asked for again."""

    future: "Future[Quotes]"
    until: int  # the source's number of the last of them
    missing: int
    had: Quotes  # of them, if they do not come


@dataclass(frozen=True, slots=True)
class _Columns:
    """Quotes as columns that lie together."""

    instrument: Ints
    time_ns: Ints
    bid: Ints
    ask: Ints

    @classmethod
    def of(cls, quotes: Quotes) -> "_Columns":
        return cls(*(np.ascontiguousarray(quotes[name]) for name in cls.__slots__))

    def at(self, wanted: npt.NDArray[np.bool_]) -> "_Columns":
        if wanted.all():
            return self
        return _Columns(self.instrument[wanted], self.time_ns[wanted], self.bid[wanted], self.ask[wanted])

    def __len__(self) -> int:
        return len(self.time_ns)


class StreamFeed:
    """See `workbench.gateway.feeds.Feed`.

    Parameters
    ----------
    every_quote
        Give out each quote, in order, however many wait; otherwise the latest of each instrument.
    clock_ns
        The wall clock, to close bars in which no further quote comes.
    monotonic
        Seconds, for the age of quotes and the pauses before a new line.
    jitter
        In [0, 1).
    fetch
        Asks the source for what is missing, beside the loop; what comes meanwhile waits behind it. Default:
        at once.
    """

    def __init__(
        self,
        source: QuoteSource,
        log: EventLog,
        instruments: Sequence[Instrument],
        timeframe: Timeframe,
        *,
        clock_ns: Callable[[], int],
        monotonic: Callable[[], float],
        jitter: Callable[[], float] = lambda: 0.5,
        every_quote: bool = False,
        fetch: Callable[[Callable[[], Quotes]], "Future[Quotes]"] = _at_once,
    ) -> None:
        self._fetch = fetch
        self._fetching: _Fetching | None = None
        self._behind: list[Quotes] = []  # what came while quotes before it were fetched
        self._source, self._log = source, log
        self._records = {item.id: item for item in sorted(instruments, key=lambda item: item.id)}
        self._builders = {name: BarBuilder(item, timeframe) for name, item in self._records.items()}
        self._clock_ns, self._monotonic, self._jitter = clock_ns, monotonic, jitter
        self._every = every_quote
        self.counts = StreamCounts()
        self.closed = False
        self._ready: deque[Quote | tuple[Bar, ...]] = deque()
        self._latest: dict[InstrumentId, Quote] = {}
        self._moved_at: dict[InstrumentId, float] = {}  # monotonic: when the last quote came
        self._seen: int | None = None  # of the source's numbers
        self._whole_from = 0
        self._border_ns = 0  # before it no open bar closes
        self._step_ns = 0 if timeframe.is_by_session else timeframe.nanoseconds
        self._epoch = 0
        self._heard, self._heard_at = 0, monotonic()
        self._pause_s = _FIRST_PAUSE_S
        self._last_ns = 0
        self._newest = dict.fromkeys(self._records, 0)
        self._recorded = len(log)  # by a process before this one
        self._given_at: float | None = None  # monotonic: when what was given out last had come
        self._closed: dict[InstrumentId, int] = {}  # until when bars were given out
        self._incomplete = set(self._records)  # whose open bar lacks quotes: it is never given out
        self._before: dict[str, Any] = {}
        if len(log):
            self._take_up()

    def event(self, seq: int) -> FeedEvent | None:
        """See `Feed`."""
        if seq <= len(self._log):
            if seq != len(self._log) or seq <= self._recorded:
                self._given_at = None  # it is over, and nothing is to be decided on it
            return self._log.event(seq)
        if not self._ready and not self._latest:
            self.pump()
        event = self._next(seq)
        if event is not None:
            self._log.append(event)
            at = self._monotonic()
            if isinstance(event, QuoteMoved):
                at = min(at, self._moved_at.get(event.quote.instrument, at))
            self._given_at = at
        return event

    def recall(self, until: int) -> None:
        """See `Feed`: the log has them."""

    def sync(self) -> None:
        """Make what was given out durable."""
        self._log.sync()

    def data_age_ns(self, name: str) -> int | None:
        """See `Feed`: of the last quote, or of what the strategy was shown last where that is older.

        None for an instrument without a quote since this process began, and while the strategy is shown
        what is over.
        """
        at = self._moved_at.get(InstrumentId(name))
        if at is None or self._given_at is None:
            return None
        return max(0, int((self._monotonic() - min(at, self._given_at)) * 1e9))

    @property
    def source(self) -> QuoteSource:
        """Where its quotes come from."""
        return self._source

    @property
    def waiting(self) -> bool:
        """Whether there is an event that was not given out yet."""
        return bool(self._ready or self._latest)

    def close(self) -> None:
        """Give line and file back."""
        self.closed = True
        self._source.close()
        self._log.close()

    def pump(self) -> int:
        """Take what has come, and see to the line; how many quotes that were."""
        found = self._source.read()
        if self._source.epoch() != self._epoch:
            self._begin_epoch()
        taken = self._complete(found)
        if len(taken):
            if int(taken["time_ns"].max()) >= self._border_ns:  # a bar may close
                self._before = self._state(self._whole_from)
            self._take(taken)
            self._border_ns = self._next_border()
        if self._fetching is None:
            self._close_by_clock()
        self._watch_line()
        return len(taken)

    def _begin_epoch(self) -> None:
        """The source began anew, or we did: its numbers count from here."""
        was, self._epoch = self._epoch, self._source.epoch()
        if not self._epoch:
            self._epoch = was  # it has not said which life it is in
            return
        if was and was != self._epoch:
            self.counts.gaps += 1
            self._incomplete = set(self._records)
        if was != self._epoch:
            self._fetching, self._behind = None, []
            self._seen = self._restored()

    def _complete(self, found: Quotes) -> Quotes:
        """With what is missing between the last quote and these fetched, before anything is decided."""
        if self._seen is None:
            if not len(found):
                return found
            self._seen = int(found["seq"][0]) - 1  # we join a stream that runs
        self._whole_from = self._seen
        if self._fetching is not None:
            self._behind.append(found)
            return self._fetched(self._fetching)
        return self._whole(found, self._seen)

    def _whole(self, found: Quotes, seen: int) -> Quotes:
        """Those after number `seen`, as far as they can be had now."""
        fresh = found[found["seq"] > seen]  # twice the same is once
        until = max(seen, self._source.last(), int(fresh["seq"][-1]) if len(fresh) else 0)
        missing = until - seen - len(fresh)
        if missing <= 0:
            self._seen = until
            return fresh
        self.counts.gaps += 1
        future = self._fetch(partial(self._source.again, seen, until))
        self._fetching = _Fetching(future, until, missing, fresh)
        return self._fetched(self._fetching)

    def _fetched(self, asked: "_Fetching") -> Quotes:
        """What was missing and all that came after it; nothing while it is not here."""
        if not asked.future.done():
            return no_quotes()
        self._fetching, behind, self._behind = None, self._behind, []
        self._seen = asked.until
        try:
            fresh = asked.future.result()
            self.counts.fetched += asked.missing
        except MissedQuotesError:
            fresh = asked.had
            self.counts.lost += asked.missing
            self._incomplete = set(self._records)
        if not any(len(item) for item in behind):
            return fresh
        return np.concatenate((fresh, self._whole(np.concatenate(behind), asked.until)))

    def _take(self, quotes: Quotes) -> None:
        names = self._source.instruments()
        now = self._monotonic()
        columns = _Columns.of(quotes)
        events: list[tuple[int, int, InstrumentId, Quote | Bar]] = []
        for k in set(columns.instrument.tolist()):
            mine = columns.at(columns.instrument == k)
            name = InstrumentId(names[k]) if k < len(names) else InstrumentId("")
            if name not in self._records:
                self.counts.strange += len(mine)
                continue
            sane = (mine.bid > 0) & (mine.ask >= mine.bid)
            if not sane.all():
                self.counts.crossed += int((~sane).sum())
                mine = mine.at(sane)
            timely = self._timely(mine.time_ns, self._newest[name])
            if timely is not None:
                self.counts.late += int((~timely).sum())
                mine = mine.at(timely)
            if len(mine):
                self.counts.quotes += len(mine)
                self._moved_at[name] = now
                self._newest[name] = int(mine.time_ns[-1])
                events += self._events_of(name, mine)
        for _, is_quote, _, item in sorted(events, key=lambda event: event[:3]):
            if is_quote:
                assert isinstance(item, Quote)
                self._put(item)
            else:
                assert isinstance(item, Bar)
                self._put_bar(item)

    @staticmethod
    def _timely(times: Ints, newest: int) -> npt.NDArray[np.bool_] | None:
        """Which are not older than one before; None when all are not."""
        if not len(times) or (times[0] >= newest and (times[1:] >= times[:-1]).all()):
            return None
        floor = np.maximum.accumulate(np.concatenate(([newest], times)))[:-1]
        return times >= floor

    def _events_of(
        self, name: InstrumentId, mine: "_Columns"
    ) -> list[tuple[int, int, InstrumentId, Quote | Bar]]:
        closed = self._builders[name].add_columns(mine.time_ns, mine.bid, mine.ask)
        found: list[tuple[int, int, InstrumentId, Quote | Bar]] = [
            (bar.close_ns, 0, name, bar) for bar in closed
        ]
        wanted: Iterable[int] = range(len(mine))
        if not self._every:
            borders = (
                np.searchsorted(mine.time_ns, closed.close_ns, side="left") - 1 if len(closed) else _NONE
            )
            shown = sorted({*(at for at in borders.tolist() if at >= 0), len(mine) - 1})
            self.counts.replaced += len(mine) - len(shown)
            wanted = shown
        for at in wanted:
            quote = Quote(
                instrument=name,
                time_ns=int(mine.time_ns[at]),
                bid=int(mine.bid[at]),
                ask=int(mine.ask[at]),
            )
            found.append((quote.time_ns, 1, name, quote))
        return found

    def _put(self, quote: Quote) -> None:
        if self._every:
            self._ready.append(quote)
            return
        self.counts.replaced += quote.instrument in self._latest
        self._latest[quote.instrument] = quote

    def _put_bar(self, bar: Bar) -> None:
        if bar.instrument in self._incomplete:
            self._incomplete.discard(bar.instrument)
            self.counts.incomplete_bars += 1
            return
        if bar.close_ns <= self._closed.get(bar.instrument, 0):
            return  # it was given out by a process before this one
        self._closed[bar.instrument] = bar.close_ns
        if self._before:
            self._log.keep(self._before)
            self._before = {}
        self._ready.extend(self._sorted_latest())  # the quotes before its end come before it
        last = self._ready[-1] if self._ready else None
        if isinstance(last, tuple) and last[0].close_ns == bar.close_ns:
            self._ready[-1] = tuple(sorted((*last, bar), key=lambda item: item.instrument))
        else:
            self._ready.append((bar,))

    def _sorted_latest(self) -> list[Quote]:
        found = sorted(self._latest.values(), key=lambda item: (item.time_ns, item.instrument))
        self._latest.clear()
        return found

    def _close_by_clock(self) -> None:
        """Bars that ended while no quote came."""
        until = self._clock_ns() - _CLOSE_AFTER_NS
        closed = [bar for builder in self._builders.values() for bar in builder.advance(until)]
        for bar in sorted(closed, key=lambda item: (item.close_ns, item.instrument)):
            self._newest[bar.instrument] = max(self._newest[bar.instrument], bar.close_ns)
            self._put_bar(bar)

    def _next(self, seq: int) -> QuoteMoved | BarClosed | None:
        if not self._ready:
            self._ready.extend(self._sorted_latest())
        if not self._ready:
            return None
        item = self._ready.popleft()
        if isinstance(item, Quote):
            # an account's time does not run back where two instruments' stamps cross
            self._last_ns = max(self._last_ns, item.time_ns)
            if item.time_ns != self._last_ns:
                item = Quote(instrument=item.instrument, time_ns=self._last_ns, bid=item.bid, ask=item.ask)
            return QuoteMoved(seq=seq, quote=item)
        self._last_ns = max(self._last_ns, item[0].close_ns)
        return BarClosed(seq=seq, bar=item[0], others=item[1:], quoted=True)

    def _watch_line(self) -> None:
        """A line without even a heartbeat is taken anew, with longer and longer pauses."""
        now = self._monotonic()
        if self._source.heard() != self._heard:
            self._heard, self._heard_at, self._pause_s = self._source.heard(), now, _FIRST_PAUSE_S
        elif now - self._heard_at >= _SILENT_S + self._pause_s * (0.5 + self._jitter()):
            self._source.reconnect()
            self.counts.reconnects += 1
            self._heard_at = now - _SILENT_S
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _next_border(self) -> int:
        if not self._step_ns:
            return 0
        return (min(self._newest.values()) // self._step_ns + 1) * self._step_ns

    def _state(self, seen: int) -> dict[str, Any]:
        """What bars are gone on with from the source's number `seen`."""
        return {
            "epoch": self._epoch,
            "seen": seen,
            "builders": {name: builder.state() for name, builder in self._builders.items()},
            "newest": dict(self._newest),
            "incomplete": sorted(self._incomplete),
        }

    def _restored(self) -> int | None:
        """Take up the bars of the process before, if the source still has its numbers; what it had seen."""
        kept = self._log.kept()
        if kept.get("epoch") != self._epoch or set(kept["builders"]) != set(self._records):
            return None
        self._builders = {
            InstrumentId(name): BarBuilder.from_state(value) for name, value in kept["builders"].items()
        }
        self._newest = {InstrumentId(name): value for name, value in kept["newest"].items()}
        self._incomplete = {InstrumentId(name) for name in kept["incomplete"]}
        return int(kept["seen"])

    def _take_up(self) -> None:
        """How far the process before was."""
        for seq in range(len(self._log), 0, -1):
            event = self._log.event(seq)
            if isinstance(event, QuoteMoved):
                self._last_ns = max(self._last_ns, event.quote.time_ns)
            elif isinstance(event, BarClosed):
                self._last_ns = max(self._last_ns, event.bar.close_ns)
                for bar in event.bars:
                    self._closed.setdefault(bar.instrument, bar.close_ns)
            if len(self._closed) == len(self._records):
                break
