"""A feed that replays bars and ticks of one or several instruments in the order in which they were known."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Protocol

import numpy as np

from workbench.domain.quotes import Bar, Quote
from workbench.market.bars import COLUMNS, Bars, Ints
from workbench.market.ticks import Ticks

__all__ = ["Feed", "FeedEvent", "ReplayFeed"]

FeedEvent = Quote | Bar

_AT_ONCE = 4_096


class Feed(Protocol):
    """Where quotes and bars come from, in the order they are known.

    A bar is given when it has closed; the quote at which it opened comes before it.
    """

    def __iter__(self) -> Iterator[FeedEvent]:
        """Every event from the first."""
        ...

    def after(self, count: int) -> Iterator[FeedEvent]:
        """The events after the first `count`: what a reader that has seen those still needs."""
        ...


class ReplayFeed:
    """Replays bars and ticks from `start_ns` on: bars that open and ticks that came at or after it.

    At each instant first the bars that close then, in the order of the instruments' ids, afterwards the
    quotes: those that bars open with and ticks, in the order of the ids and of the file. With `depth` the
    quotes of ticks carry the sizes they were made for, where the source tells them.
    """

    def __init__(
        self,
        series: Bars | Ticks | Sequence[Bars | Ticks],
        start_ns: int | None = None,
        *,
        depth: bool = False,
    ) -> None:
        self._depth = depth
        given = [series] if isinstance(series, (Bars, Ticks)) else list(series)
        ordered = sorted(given, key=lambda item: item.instrument.id)
        self._series = [item.between(start_ns, None) for item in ordered]

    def __len__(self) -> int:
        """How many events there are: two a bar and one a tick."""
        return sum(len(item) * (2 if isinstance(item, Bars) else 1) for item in self._series)

    def __iter__(self) -> Iterator[FeedEvent]:
        return self.after(0)

    def after(self, count: int) -> Iterator[FeedEvent]:
        """The events after the first `count`."""
        if count < 0:
            raise ValueError(f"expected a count of 0 or more, found {count}")
        filled = [item for item in self._series if len(item)]
        start = self._instant_after(filled, count)
        streams = [_events(item, start, rank, self._depth) for rank, item in enumerate(filled)]
        events = streams[0] if len(streams) == 1 else merge(*streams)
        return (event for *_, event in islice(events, count - _before(filled, start), None))

    @staticmethod
    def _instant_after(series: Sequence[Bars | Ticks], count: int) -> int:
        """The last instant with at most `count` events before it."""
        if not series:
            return 0
        low = min(int(_opens(item)[0]) for item in series)
        high = max(int(_closes(item)[-1]) for item in series) + 1
        while low < high:
            middle = (low + high + 1) // 2
            if _before(series, middle) <= count:
                low = middle
            else:
                high = middle - 1
        return low


_Event = tuple[int, int, int, FeedEvent]  # instant, 0 for a close and 1 for a quote, rank of the series


def _before(series: Sequence[Bars | Ticks], instant: int) -> int:
    """How many events there are before an instant."""
    count = 0
    for item in series:
        count += int(np.searchsorted(_opens(item), instant, side="left"))
        if isinstance(item, Bars):
            count += int(np.searchsorted(item.close_ns, instant, side="left"))
    return count


def _events(series: Bars | Ticks, start_ns: int, rank: int, depth: bool) -> Iterator[_Event]:
    """The events of one series at or after an instant."""
    name = series.instrument.id
    first = int(np.searchsorted(_closes(series), start_ns, side="left"))
    for low in range(first, len(series), _AT_ONCE):
        part = series.at(low, min(low + _AT_ONCE, len(series)))
        if isinstance(part, Ticks):
            yield from ((quote.time_ns, 1, rank, quote) for quote in _quotes(part, depth))
            continue
        for values in zip(*(column.tolist() for column in part.columns().values()), strict=True):
            bar = Bar(instrument=name, **dict(zip(COLUMNS, values, strict=True)))
            if bar.open_ns >= start_ns:
                quote = Quote(instrument=name, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
                yield bar.open_ns, 1, rank, quote
            yield bar.close_ns, 0, rank, bar


def _quotes(ticks: Ticks, depth: bool) -> Iterator[Quote]:
    name = ticks.instrument.id
    columns = (column.tolist() for column in ticks.columns().values())
    for time_ns, bid, ask, bid_size, ask_size in zip(*columns, strict=True):
        yield Quote(
            instrument=name,
            time_ns=time_ns,
            bid=bid,
            ask=ask,
            bids=((bid, bid_size),) if depth and bid_size else (),
            asks=((ask, ask_size),) if depth and ask_size else (),
        )


def _opens(series: Bars | Ticks) -> Ints:
    return series.open_ns if isinstance(series, Bars) else series.time_ns


def _closes(series: Bars | Ticks) -> Ints:
    return series.close_ns if isinstance(series, Bars) else series.time_ns
