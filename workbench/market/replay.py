"""A feed that replays bars: for each bar the quote it opens with, then the bar itself."""

from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from workbench.domain.quotes import Bar, Quote
from workbench.market.bars import COLUMNS, Bars

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
    """Replays `bars` from the first that opens at or after `start_ns`."""

    def __init__(self, bars: Bars, start_ns: int | None = None) -> None:
        self._bars = bars.between(start_ns, None)

    def __len__(self) -> int:
        """How many events there are: two a bar."""
        return 2 * len(self._bars)

    def __iter__(self) -> Iterator[FeedEvent]:
        return self.after(0)

    def after(self, count: int) -> Iterator[FeedEvent]:
        """The events after the first `count`."""
        if count < 0:
            raise ValueError(f"expected a count of 0 or more, found {count}")
        return islice(self._events(count // 2), count % 2, None)

    def _events(self, first: int) -> Iterator[FeedEvent]:
        name = self._bars.instrument.id
        for low in range(first, len(self._bars), _AT_ONCE):
            part = self._bars.at(low, low + _AT_ONCE).columns().values()
            for values in zip(*(column.tolist() for column in part), strict=True):
                bar = Bar(instrument=name, **dict(zip(COLUMNS, values, strict=True)))
                yield Quote(instrument=name, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
                yield bar
