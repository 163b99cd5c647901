"""The clocks of the world at each bar: hours, weekdays and trading sessions, each in its own city's zone.

The sessions themselves are those of `workbench.domain.sessions`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import to_ns
from workbench.domain.sessions import SESSIONS, Session
from workbench.errors import BadInputError
from workbench.indicators import compiled

__all__ = ["SESSIONS", "ZONES", "Session", "local_clock", "minute_of_day", "zone_named"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PARTS = ("hour", "weekday", "minute", "in_session")
_NS_PER_MINUTE = 60_000_000_000
_THURSDAY = 3 * 1_440  # 1970-01-01, in minutes of a week from Monday
_YEARS = (1970, 2100)

ZONES: Mapping[str, str] = MappingProxyType({name: item.zone for name, item in SESSIONS.items()})


def zone_named(name: object) -> str:
    """The zone of a city of `ZONES`, or an IANA name itself.

    Raises
    ------
    BadInputError
        No such zone.
    """
    text = ZONES.get(name, name) if isinstance(name, str) else name
    try:
        return ZoneInfo(text).key  # type: ignore[arg-type]  # anything else is refused here
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise BadInputError(
            f"expected a city ({', '.join(ZONES)}) or a zone such as Europe/Berlin, found {name!r}"
        ) from None


def minute_of_day(text: object) -> int:
    """Minutes since midnight of a time such as ``"08:30"``; ``"24:00"`` is the day's end.

    Raises
    ------
    BadInputError
        Not such a time.
    """
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) == 2 for part in parts):
        minute = int(parts[0]) * 60 + int(parts[1])
        if int(parts[1]) < 60 and minute <= 1_440:
            return minute
    raise BadInputError(f"expected a time of day such as '08:30', found {text!r}")


@lru_cache(maxsize=32)
def zone_offsets(zone: str) -> tuple[Ints, Ints]:
    """When each of a zone's offsets from UTC began, and the offset, both in ns, 1970 to 2100."""
    place = ZoneInfo(zone)
    months = [
        datetime(year, month, 1, tzinfo=UTC)
        for year in range(_YEARS[0], _YEARS[1] + 1)
        for month in range(1, 13)
    ]
    starts, offsets = [to_ns(months[0])], [_offset(months[0], place)]
    for before, after in pairwise(months):
        for left, right in _halves(before, after):  # a zone may change twice within a month
            if _offset(right, place) != offsets[-1]:
                starts.append(to_ns(_change(left, right, place)))
                offsets.append(_offset(right, place))
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def local_clock(open_ns: Ints, *, part: str, zone: str, start: int = 0, end: int = 0) -> Floats:
    """One of `PARTS` by the clock of `zone` at each instant.

    A session that ends before it starts runs over midnight, and belongs to the day it starts on.
    """
    out = np.empty(len(open_ns))
    _clock_kernel(open_ns, *zone_offsets(zone), PARTS.index(part), start, end, out)
    return out


def _halves(before: datetime, after: datetime) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
    middle = before + timedelta(days=14)
    return (before, middle), (middle, after)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The full minute between the two at which the offset changes."""
    old = _offset(before, zone)
    while after - before > timedelta(minutes=1):
        middle = before + timedelta(minutes=(after - before) // timedelta(minutes=1) // 2)
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _offset(moment: datetime, zone: ZoneInfo) -> int:
    shift = moment.astimezone(zone).utcoffset()
    return int((shift or timedelta()).total_seconds()) * 1_000_000_000


@compiled
def _clock_kernel(
    time_ns: Ints, starts: Ints, offsets: Ints, part: int, start: int, end: int, out: Floats
) -> None:
    at = 0
    for i in range(time_ns.shape[0]):
        moment = time_ns[i]
        if moment < starts[at] or (at + 1 < starts.shape[0] and moment >= starts[at + 1]):
            at = max(0, np.searchsorted(starts, moment, side="right") - 1)
        week = ((moment + offsets[at]) // _NS_PER_MINUTE + _THURSDAY) % 10_080
        day, minute = week // 1_440, week % 1_440
        if part == 0:
            out[i] = minute // 60
        elif part == 1:
            out[i] = day
        elif part == 2:
            out[i] = minute % 60
        elif start < end:
            out[i] = 1.0 if day < 5 and start <= minute < end else 0.0
        else:
            before = (day + 6) % 7
            late = day < 5 and minute >= start
            early = before < 5 and minute < end
            out[i] = 1.0 if late or early else 0.0
