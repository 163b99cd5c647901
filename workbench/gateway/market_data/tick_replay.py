"""Quotes of pinned datasets one by one, and the bars they make, in the order of a backtest on ticks."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from workbench.domain.quotes import Quote
from workbench.gateway.messages import BarClosed, FeedEnded, FeedEvent, QuoteMoved
from workbench.market import Bars
from workbench.market.ticks import Ticks

__all__ = ["TickReplay"]

_AHEAD = 4_096


class TickReplay:
    """See `workbench.gateway.feeds.Feed`.

    At each instant first, as one event, all bars that close then, in the order of the instruments' ids, and
    afterwards the quotes, in the order of the ids and of the file.

    Parameters
    ----------
    ticks
        Each instrument's quotes.
    bars
        The bars those quotes make; they close an event of their own and are not matched on again.
    events_per_second
        How fast events happen; 0 for as fast as they are asked for.
    monotonic
        A clock in seconds, for the pace alone.
    sizes
        Whether quotes carry the sizes recorded with them, which limit what is filled; a size of 0 is not
        known and limits nothing.
    """

    def __init__(
        self,
        ticks: Sequence[Ticks],
        bars: Sequence[Bars],
        *,
        events_per_second: float,
        monotonic: Callable[[], float],
        sizes: bool = False,
    ) -> None:
        self._sizes = sizes
        self._ticks = sorted(ticks, key=lambda item: item.instrument.id)
        self._bars = sorted(bars, key=lambda item: item.instrument.id)
        self._pace = events_per_second
        self._monotonic = monotonic
        self._recalled, self._began = 0, monotonic()
        closes = [item.close_ns for item in self._bars]
        quotes = [item.time_ns for item in self._ticks]
        counts = [*map(len, closes), *map(len, quotes)]
        time_ns = np.concatenate([*closes, *quotes]) if counts else np.empty(0, np.int64)
        is_quote = np.repeat([0, 1], [sum(map(len, closes)), sum(map(len, quotes))])
        rank = np.repeat([*range(len(closes)), *range(len(quotes))], counts)
        index = np.concatenate([np.arange(count) for count in counts])
        order = np.lexsort((index, rank, is_quote, time_ns))
        self._time_ns, self._is_quote = time_ns[order], is_quote[order]
        self._rank, self._index = rank[order], index[order]
        fresh = (self._is_quote == 1) | (np.diff(self._time_ns, prepend=-1) != 0)
        fresh[1:] |= self._is_quote[:-1] == 1
        self._starts = np.append(np.flatnonzero(fresh), len(order))
        self._window: tuple[int, list[FeedEvent]] = (1, [])

    def __len__(self) -> int:
        """Events, the end not counted."""
        return len(self._starts) - 1

    def event(self, seq: int) -> FeedEvent | None:
        """See `Feed`; None before its time has come."""
        if seq > len(self):
            end_ns = int(self._time_ns[-1]) if len(self._time_ns) else 0
            return FeedEnded(seq=seq, time_ns=end_ns)
        due = (self._monotonic() - self._began) * self._pace
        if self._pace and seq > self._recalled and seq - self._recalled > due:
            return None
        first, events = self._window
        if not first <= seq < first + len(events):
            first, events = self._window = seq, self._read(seq)
        return events[seq - first]

    def sync(self) -> None:
        """See `Feed`: the data is pinned."""

    def data_age_ns(self, name: str) -> int | None:
        """See `Feed`."""
        return 0

    def recall(self, until: int) -> None:
        """See `Feed`."""
        self._recalled, self._began = max(self._recalled, min(until, len(self))), self._monotonic()

    def _read(self, seq: int) -> list[FeedEvent]:
        """Some events from `seq` on."""
        low, high = seq - 1, min(seq - 1 + _AHEAD, len(self))
        starts = self._starts[low : high + 1].tolist()
        rows = slice(starts[0], starts[-1])
        is_quote, rank = self._is_quote[rows].tolist(), self._rank[rows].tolist()
        index = self._index[rows].tolist()
        found: list[FeedEvent] = []
        for number, (begin, end) in enumerate(pairwise(starts), seq):
            at = begin - starts[0]
            if is_quote[at]:
                found.append(QuoteMoved(seq=number, quote=self._quote(self._ticks[rank[at]], index[at])))
                continue
            bar, *others = (self._bars[rank[k]].bar(index[k]) for k in range(at, end - starts[0]))
            found.append(BarClosed(seq=number, bar=bar, others=tuple(others), quoted=True))
        return found

    def _quote(self, ticks: Ticks, index: int) -> Quote:
        bid, ask = int(ticks.bid[index]), int(ticks.ask[index])
        to_sell, to_buy = (int(ticks.bid_size[index]), int(ticks.ask_size[index])) if self._sizes else (0, 0)
        return Quote(
            instrument=ticks.instrument.id,
            time_ns=int(ticks.time_ns[index]),
            bid=bid,
            ask=ask,
            bids=((bid, to_sell),) if to_sell else (),
            asks=((ask, to_buy),) if to_buy else (),
        )
