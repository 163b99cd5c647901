"""Is it open, when will it be, and which bars should there be: questions to an instrument's hours."""

from datetime import date, timedelta

import numpy as np

from workbench.domain.broker_hours import hours_of
from workbench.domain.hours import Hours, Ints, closed_ns, spans, years_of
from workbench.domain.instants import day_open_ns, to_datetime
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError

__all__ = ["Flags", "are_open", "bar_grid", "expected_bars", "is_open", "next_close", "next_open"]

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

_DAY_NS = 86_400_000_000_000


def is_open(time_ns: int, instrument: Instrument | None = None, *, hours: Hours | None = None) -> bool:
    """Whether an instrument (None: a currency pair) is quoted at an instant; a close is not open any more."""
    return bool(are_open(np.array([time_ns], dtype=np.int64), instrument, hours=hours)[0])


def are_open(time_ns: Ints, instrument: Instrument | None = None, *, hours: Hours | None = None) -> Flags:
    """`is_open` for each instant."""
    if not len(time_ns):
        return np.empty(0, dtype=np.bool_)
    closed = spans(hours or hours_of(instrument), *years_of(time_ns))
    flags: Flags = time_ns >= closed[np.searchsorted(closed[:, 0], time_ns, side="right") - 1, 1]
    return flags


def next_open(time_ns: int, instrument: Instrument | None = None, *, hours: Hours | None = None) -> int:
    """The first instant at or after `time_ns` at which the instrument is open."""
    closed, at = _around(time_ns, hours or hours_of(instrument))
    return max(int(time_ns), int(closed[at, 1]))


def next_close(time_ns: int, instrument: Instrument | None = None, *, hours: Hours | None = None) -> int:
    """The first instant at or after `time_ns` at which the instrument is closed."""
    closed, at = _around(time_ns, hours or hours_of(instrument))
    return int(time_ns) if time_ns < closed[at, 1] else int(closed[at + 1, 0])


def expected_bars(
    instrument: Instrument | None,
    timeframe: Timeframe,
    start_ns: int,
    end_ns: int,
    *,
    hours: Hours | None = None,
) -> Ints:
    """Opens of the bars in `[start_ns, end_ns)` during which the instrument is open for any time at all."""
    opens = bar_grid(timeframe, start_ns, end_ns)
    if not len(opens):
        return opens
    borders = np.append(opens, _next_border(timeframe, int(opens[-1])))
    closed = np.diff(closed_ns(borders, hours or hours_of(instrument)))
    lengths = np.diff(borders)
    return opens[closed < lengths]


def _around(time_ns: int, hours: Hours) -> tuple[Ints, int]:
    """The closed spans, and which of them began last."""
    closed = spans(hours, *years_of(np.array([time_ns], dtype=np.int64)))
    return closed, int(np.searchsorted(closed[:, 0], time_ns, side="right")) - 1


def bar_grid(timeframe: Timeframe, start_ns: int, end_ns: int) -> Ints:
    """Opens of all bars of the timeframe in `[start_ns, end_ns)`, closed hours or not."""
    if not timeframe.is_by_session:
        step = timeframe.nanoseconds
        return np.arange(-(-start_ns // step), -(-end_ns // step), dtype=np.int64) * step
    if end_ns - start_ns > 200 * 366 * _DAY_NS:
        raise BadInputError("expected at most 200 years of bars")
    first = to_datetime(start_ns).date() - timedelta(days=1)
    days = (end_ns - start_ns) // _DAY_NS + 4
    opens = [
        day_open_ns(session)
        for session in (first + timedelta(days=number) for number in range(days))
        if _begins(timeframe, session)
    ]
    found = np.array(opens, dtype=np.int64)
    return found[(found >= start_ns) & (found < end_ns)]


def _begins(timeframe: Timeframe, session: date) -> bool:
    """Whether a bar of the timeframe begins with the session; weeks on Monday, months on their first day."""
    if timeframe is Timeframe.W1:
        return session.weekday() == 0
    return timeframe is Timeframe.D1 or session.day == 1


def _next_border(timeframe: Timeframe, open_ns: int) -> int:
    if not timeframe.is_by_session:
        return open_ns + timeframe.nanoseconds
    return int(bar_grid(timeframe, open_ns + 1, open_ns + 40 * _DAY_NS)[0])
