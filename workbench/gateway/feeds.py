"""Feeds: a deployment's events by number, from a replay now and from a broker's stream by the same face."""

from collections.abc import Callable
from typing import Protocol

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


class BarReplay:
    """Each bar of a pinned dataset as the quote of its open and, when it is over, the bar.

    Parameters
    ----------
    bars_per_second
        How fast bars come to their end; 0 for at once.
    monotonic
        A clock in seconds, for the pace alone.
    """

    def __init__(self, bars: Bars, *, bars_per_second: float, monotonic: Callable[[], float]) -> None:
        self._bars = bars
        self._seconds = 1.0 / bars_per_second if bars_per_second else 0.0
        self._monotonic = monotonic
        self._happened = 0
        self._last_at = monotonic()

    def event(self, seq: int) -> FeedEvent | None:
        """See `Feed`; a bar is over a pace's length after the one before it."""
        index, is_bar = divmod(seq - 1, 2)
        if index >= len(self._bars):
            end_ns = int(self._bars.close_ns[-1]) if len(self._bars) else 0
            return FeedEnded(seq=seq, time_ns=end_ns)
        bar = self._bars.bar(index)
        if not is_bar:
            quote = Quote(instrument=bar.instrument, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
            return QuoteMoved(seq=seq, quote=quote)
        if seq > self._happened and self._seconds:
            now = self._monotonic()
            if now - self._last_at < self._seconds:
                return None
            self._last_at = now
        self._happened = max(self._happened, seq)
        return BarClosed(seq=seq, bar=bar)

    def recall(self, until: int) -> None:
        """See `Feed`."""
        self._happened = max(self._happened, until)
        self._last_at = self._monotonic()
