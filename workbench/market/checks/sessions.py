"""What is judged by FX day: spreads against the day's median, and how much of the day is there."""

from datetime import date

import numpy as np

from workbench.domain.calendar import Hours, closed_ns
from workbench.domain.instruments import Instrument
from workbench.market.bars import Ints
from workbench.market.checks.gaps import session_borders
from workbench.market.checks.report import Coverage, Finding
from workbench.market.checks.words import EXAMPLES, quote

__all__ = ["SessionWatch"]

_MINUTE = 60_000_000_000
_WIDE_FACTOR = 50
_AFTER_OPEN, _BEFORE_CLOSE = 90 * _MINUTE, 30 * _MINUTE  # around 17:00 New York spreads are known to be wide
_SPREADS = 1 << 17  # points; wider ones are counted as this


class SessionWatch:
    """Spreads and coverage of quotes that arrive in batches."""

    def __init__(self, instrument: Instrument, hours: Hours) -> None:
        self._instrument = instrument
        self._hours = hours
        self._name = ""
        self._span = (0, 0)
        self._all = np.zeros(_SPREADS, dtype=np.int64)  # quotes of the day, by spread
        self._judged = np.zeros(_SPREADS, dtype=np.int64)  # those outside the hours known to be wide
        self._widest: tuple[int, int, int, int] | None = None  # spread, time, bid, ask; of those judged
        self._minute = -1
        self._minutes = 0
        self._days: list[Coverage] = []
        self._first_ns: int | None = None
        self._last_ns = 0
        self._count = 0
        self._examples: list[str] = []

    def add(self, time_ns: Ints, bid: Ints, ask: Ints) -> None:
        """Look at the next quotes, in time order."""
        before = int(time_ns[0]) if self._first_ns is None else self._last_ns
        if self._first_ns is None:
            self._first_ns = before
        self._last_ns = int(time_ns[-1])
        for name, start, end in session_borders(before, self._last_ns):
            low, high = np.searchsorted(time_ns, (start, end)).tolist()
            if name != self._name:
                self._finish()
                self._name, self._span = name, (start, end)
            if low < high:
                self._part(time_ns[low:high], bid[low:high], ask[low:high])

    def coverage(self) -> tuple[Coverage, ...]:
        """Minutes with a quote and open minutes, by FX day."""
        return (*self._days, *self._unfinished())

    def finding(self) -> Finding:
        """Spreads far beyond the day's usual one."""
        count, example = self._outliers()
        count, examples = self._count + count, [*self._examples, *example][:EXAMPLES]
        detail = f"spreads above {_WIDE_FACTOR} times the day's median, the time around 17:00 New York aside"
        return Finding(
            name="wide spreads",
            severity="warning" if count else "ok",
            count=count,
            detail=detail if count else f"no {detail}",
            examples=tuple(examples),
        )

    def _part(self, time_ns: Ints, bid: Ints, ask: Ints) -> None:
        spread = np.clip(ask - bid, 0, _SPREADS - 1)
        self._all += np.bincount(spread, minlength=_SPREADS)
        start, end = self._span
        if date.fromisoformat(self._name).weekday() == 0:
            start = end - 24 * 60 * _MINUTE  # Sunday's opening, not Friday's evening
        low, high = np.searchsorted(time_ns, (start + _AFTER_OPEN, end - _BEFORE_CLOSE)).tolist()
        if low < high:
            self._judged += np.bincount(spread[low:high], minlength=_SPREADS)
            widest = low + int(np.argmax(spread[low:high]))
            found = int(spread[widest]), int(time_ns[widest]), int(bid[widest]), int(ask[widest])
            if self._widest is None or found[0] > self._widest[0]:
                self._widest = found
        minutes = time_ns // _MINUTE
        self._minutes += int((np.diff(minutes) != 0).sum()) + (int(minutes[0]) != self._minute)
        self._minute = int(minutes[-1])

    def _finish(self) -> None:
        if not self._name:
            return
        self._days += self._unfinished()
        count, examples = self._outliers()
        self._count += count
        self._examples = [*self._examples, *examples][:EXAMPLES]
        if self._minutes:
            self._all[:] = 0
            self._judged[:] = 0
        self._widest, self._minutes, self._minute = None, 0, -1

    def _unfinished(self) -> list[Coverage]:
        if not self._name or self._first_ns is None:
            return []
        start, end = self._span
        first, last = (item // _MINUTE * _MINUTE for item in (self._first_ns, self._last_ns))
        span = np.array([max(start, first), min(end, last + _MINUTE)], dtype=np.int64)
        if self._last_ns >= end:
            span[1] = end
        open_ns = int(span[1] - span[0]) - int(np.diff(closed_ns(span, self._hours))[0])
        expected = max(-(-open_ns // _MINUTE), 0)
        return [Coverage(session=self._name, present=self._minutes, expected=expected)]

    def _outliers(self) -> tuple[int, list[str]]:
        total = int(self._all.sum())
        if not total or self._widest is None:
            return 0, []
        median = int(np.searchsorted(np.cumsum(self._all), (total + 1) // 2))
        limit = _WIDE_FACTOR * max(median, 1)
        count = int(self._judged[limit + 1 :].sum())
        if not count:
            return 0, []
        _, time_ns, bid, ask = self._widest
        return count, [f"{quote(self._instrument, time_ns, bid, ask)} (median spread {median} points)"]
