"""Trading hours: the week, the daily breaks and the yearly closures of an instrument, in UTC spans.

Hours are told by the clocks of cities and turned into spans of instants once a year and cached, so
that daylight saving is looked up in one place and every question is a search in sorted numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from workbench.domain.instants import to_ns

__all__ = ["Closure", "Hours", "Ints", "Kind", "Pause", "closed_ns", "merged", "spans", "years_of"]

Ints = npt.NDArray[np.int64]

_FRIDAY = 4
_ZONE = "America/New_York"


class Kind(StrEnum):
    """Why there is no quote."""

    WEEKEND = "weekend"
    BREAK = "break"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A daily break from `start` to `end` by the clock of `zone`, within one date there."""

    start: time
    end: time
    zone: str = _ZONE
    is_closed: bool = True  # no: quotes may be missing, but they may also be there


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """A yearly closure by the New York clock; may reach into the next year."""

    first: tuple[int, int, time]  # month, day, time
    last: tuple[int, int, time]
    is_closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When an instrument is quoted: from Sunday to Friday by the New York clock, less pauses and closures."""

    name: str
    week_open: time  # on Sunday
    week_close: time  # on Friday
    pauses: tuple[Pause, ...] = ()
    closures: tuple[Closure, ...] = ()


def spans(
    hours: Hours, first_year: int, last_year: int, *, kind: Kind | None = None, certain: bool = True
) -> Ints:
    """The spans without quotes in years of UTC, shape (spans, 2), sorted and apart; not to be changed.

    Parameters
    ----------
    kind
        Those of one kind; None for all together.
    certain
        No: also those in which quotes may be missing but need not.
    """
    kinds = tuple(Kind) if kind is None else (kind,)
    return _spans(hours, first_year, last_year, kinds, certain)


def closed_ns(time_ns: Ints, hours: Hours, *, certain: bool = True) -> Ints:
    """How many ns since some fixed instant the hours were closed, up to each time; `certain` as in `spans`.

    The difference between two answers of one call is how long it was closed between the two times.
    """
    if not len(time_ns):
        return np.empty(0, dtype=np.int64)
    closed = spans(hours, *years_of(time_ns), certain=certain)
    before = np.concatenate([[0], np.cumsum(closed[:, 1] - closed[:, 0])])
    index = np.searchsorted(closed[:, 0], time_ns, side="right")
    inside = np.minimum(time_ns, closed[index - 1, 1]) - closed[index - 1, 0]  # a year begins closed
    found: Ints = before[index - 1] + inside
    return found


def years_of(time_ns: Ints) -> tuple[int, int]:
    """The years to look up so that each time lies between closed spans: one more on either side."""
    ends = np.array([time_ns.min(), time_ns.max()], dtype="M8[ns]").astype("M8[Y]").astype(np.int64)
    first, last = (ends + 1970).tolist()
    return first - 1, last + 1


def merged(found: Ints) -> Ints:
    """Spans sorted, with those that touch or overlap made one."""
    if len(found) < 2:
        return found
    found = found[np.argsort(found[:, 0], kind="stable")]
    reach = np.maximum.accumulate(found[:, 1])
    starts = np.concatenate([[True], found[1:, 0] > reach[:-1]])
    ends = np.concatenate([np.flatnonzero(starts)[1:] - 1, [len(found) - 1]])
    return np.stack([found[starts, 0], reach[ends]], axis=1)


@lru_cache(maxsize=1_024)
def _spans(hours: Hours, first_year: int, last_year: int, kinds: tuple[Kind, ...], certain: bool) -> Ints:
    if first_year < last_year:
        parts = [_spans(hours, year, year, kinds, certain) for year in range(first_year, last_year + 1)]
        found = merged(np.concatenate(parts))
    else:
        found = merged(
            np.array(
                [
                    item
                    for kind in kinds
                    for item in _SOURCES[kind](hours, first_year, certain)
                    if item[0] < item[1]
                ],
                dtype=np.int64,
            ).reshape(-1, 2)
        )
    found.flags.writeable = False
    return found


def _weekends(hours: Hours, year: int, certain: bool) -> Iterator[tuple[int, int]]:
    del certain  # weekends always are
    for friday in _dates(year):
        if friday.weekday() == _FRIDAY:
            sunday = friday + timedelta(days=2)
            yield _ns(friday, hours.week_close, _ZONE), _ns(sunday, hours.week_open, _ZONE)


def _breaks(hours: Hours, year: int, certain: bool) -> Iterator[tuple[int, int]]:
    for pause in hours.pauses:
        if pause.is_closed or not certain:
            for day in _dates(year):
                yield _ns(day, pause.start, pause.zone), _ns(day, pause.end, pause.zone)


def _holidays(hours: Hours, year: int, certain: bool) -> Iterator[tuple[int, int]]:
    for closure in hours.closures:
        if closure.is_closed or not certain:
            (month, day, start), (last_month, last_day, end) = closure.first, closure.last
            last_year = year + (last_month < month)
            yield (
                _ns(date(year, month, day), start, _ZONE),
                _ns(date(last_year, last_month, last_day), end, _ZONE),
            )


_SOURCES = {Kind.WEEKEND: _weekends, Kind.BREAK: _breaks, Kind.HOLIDAY: _holidays}


def _dates(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)


def _ns(session: date, clock: time, zone: str) -> int:
    return to_ns(datetime.combine(session, clock, tzinfo=_zone(zone)).astimezone(UTC))


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
