"""Feeds: a deployment's events by number, from a replay now and from a broker's stream by the same face."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from workbench.domain.quotes import Quote
from workbench.gateway.messages import BarClosed, FeedEnded, FeedEvent, QuoteMoved
from workbench.market import Bars

__all__ = ["BarReplay", "Feed"]


class Feed(Protocol):
    """Events numbered from 1, gap-free; an event that was given once is given again the same for ever."""

    def event(self, seq: int) -> FeedEvent | None:
        """Event `seq`; None when it has not happened yet."""

    def recall(self, until: int) -> None:
        """Events up to `until` have happened before this process began."""

    def sync(self) -> None:
        """Make durable what was given, where it could not be had again; before anything depends on it."""

    def data_age_ns(self, name: str) -> int | None:
        """How old an instrument's last quote is on a monotonic clock; 0 in a replay, None for no quote."""


class BarReplay:
    """Bars of pinned datasets: each as the quote of its open and, when it is over, as the bar.

    At each instant first, as one event, all bars that close then, in the order of the instruments' ids, and
    afterwards the quotes that bars open with, in the same order.

    Parameters
    ----------
    series
        Each instrument's bars.
    bars_per_second
        How fast bars come to their end, those of one instant at once; 0 for without a pause.
    monotonic
        A clock in seconds, for the pace alone.
    """

    def __init__(
        self, series: Sequence[Bars], *, bars_per_second: float, monotonic: Callable[[], float]
    ) -> None:
        self._series = sorted(series, key=lambda item: item.instrument.id)
        self._seconds = 1.0 / bars_per_second if bars_per_second else 0.0
        self._monotonic = monotonic
        self._happened = 0
        self._last_at = monotonic()
        opens = [item.open_ns for item in self._series]
        closes = [item.close_ns for item in self._series]
        counts = [len(item) for item in opens]
        time_ns = np.concatenate([*closes, *opens])
        is_quote = np.repeat([0, 1], sum(counts))
        rank = np.tile(np.repeat(np.arange(len(counts)), counts), 2)
        index = np.tile(np.concatenate([np.arange(count) for count in counts]), 2)
        order = np.lexsort((rank, is_quote, time_ns))
        self._time_ns, self._is_quote = time_ns[order], is_quote[order]
        self._rank, self._index = rank[order], index[order]
        fresh = (self._is_quote == 1) | (np.diff(self._time_ns, prepend=-1) != 0)
        fresh[1:] |= self._is_quote[:-1] == 1
        self._starts = np.append(np.flatnonzero(fresh), len(order))

    def event(self, seq: int) -> FeedEvent | None:
        """See `Feed`; an instant's bars are over a pace's length after those before them."""
        if seq >= len(self._starts):
            end_ns = int(self._time_ns[-1]) if len(self._time_ns) else 0
            return FeedEnded(seq=seq, time_ns=end_ns)
        first, behind = int(self._starts[seq - 1]), int(self._starts[seq])
        bar, *others = (self._series[self._rank[at]].bar(int(self._index[at])) for at in range(first, behind))
        if self._is_quote[first]:
            quote = Quote(instrument=bar.instrument, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
            return QuoteMoved(seq=seq, quote=quote)
        if seq > self._happened and self._seconds:
            now = self._monotonic()
            if now - self._last_at < self._seconds:
                return None
            self._last_at = now
        self._happened = max(self._happened, seq)
        return BarClosed(seq=seq, bar=bar, others=tuple(others))

    def sync(self) -> None:
        """See `Feed`: the data is pinned."""

    def data_age_ns(self, name: str) -> int | None:
        """See `Feed`."""
        return 0

    def recall(self, until: int) -> None:
        """See `Feed`."""
        self._happened = max(self._happened, until)
        self._last_at = self._monotonic()
