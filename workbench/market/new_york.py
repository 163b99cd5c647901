"""The FX calendar over whole columns: the same answers as `workbench.domain.calendar`, for arrays."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import NEW_YORK
from workbench.domain.timeframes import NS_PER_MINUTE, NS_PER_SECOND, Timeframe

__all__ = ["bar_closes", "bar_opens", "hours_of_week", "local_ns", "on_grid", "to_utc"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_HOUR = 60 * NS_PER_MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TO_DAY_END = 7 * _HOUR  # 17:00 plus this is midnight
_SUNDAY_EVENING = 4 * _DAY - _TO_DAY_END  # Sunday 17:00 after Thursday 1970-01-01
_MONDAY = 4  # day number of the first Monday since 1970-01-01, whose FX week opens the evening before


def local_ns(time_ns: Ints, zone: ZoneInfo = NEW_YORK) -> Ints:
    """What the clocks of `zone` show, as nanoseconds since a local 1970-01-01 00:00."""
    time_ns = np.asarray(time_ns, dtype=np.int64)
    if not len(time_ns):
        return time_ns.copy()
    instants, offsets = _changes(zone, *_years(time_ns))
    return time_ns + _per_row(time_ns, instants, offsets)


def to_utc(naive_ns: Ints, zone: ZoneInfo) -> tuple[Ints, Flags]:
    """UTC of what the clocks of `zone` showed, and where that time was shown twice or never."""
    naive_ns = np.asarray(naive_ns, dtype=np.int64)
    doubtful = np.zeros(len(naive_ns), dtype=np.bool_)
    if not len(naive_ns):
        return naive_ns.copy(), doubtful
    instants, offsets = _changes(zone, *_years(naive_ns))
    before, after = offsets[:-1], offsets[1:]
    settled = instants + np.maximum(before, after)  # from here on the clock shows the new offset alone
    for first, last in zip(instants + np.minimum(before, after), settled, strict=True):
        doubtful |= (naive_ns >= first) & (naive_ns < last)
    return naive_ns - _per_row(naive_ns, settled, offsets), doubtful


def hours_of_week(time_ns: Ints) -> Ints:
    """Hours since Sunday 17:00 by the New York clock, 0 to 167."""
    return (local_ns(time_ns) - _SUNDAY_EVENING) % _WEEK // _HOUR


def bar_opens(time_ns: Ints, timeframe: Timeframe) -> Ints:
    """When the bar of `timeframe` that contains each instant opens."""
    if not timeframe.is_by_session:
        return time_ns // timeframe.nanoseconds * timeframe.nanoseconds
    return _utc_of_day_end(_first_day(_day_of(time_ns), timeframe))


def bar_closes(open_ns: Ints, timeframe: Timeframe) -> Ints:
    """When each bar closes: at the next 17:00 New York for a day, a week's or month's for those."""
    if not timeframe.is_by_session:
        return open_ns + timeframe.nanoseconds
    day = _first_day(_day_of(open_ns), timeframe)
    return _utc_of_day_end(_first_day(day + {"D1": 1, "W1": 7, "MN1": 31}[timeframe], timeframe))


def on_grid(open_ns: Ints, timeframe: Timeframe) -> Flags:
    """Whether a bar of `timeframe` opens at each instant."""
    flags: Flags = bar_opens(open_ns, timeframe) == open_ns
    return flags


def _day_of(time_ns: Ints) -> Ints:
    """Local day number since 1970 of the FX day that ends at the next 17:00 New York."""
    return (local_ns(time_ns) + _TO_DAY_END) // _DAY


def _first_day(day: Ints, timeframe: Timeframe) -> Ints:
    """The first day of each day's week or month."""
    if timeframe is Timeframe.W1:
        return day - (day - _MONDAY) % 7
    if timeframe is Timeframe.MN1:
        return day.view("M8[D]").astype("M8[M]").astype("M8[D]").astype(np.int64)
    return day


def _utc_of_day_end(day: Ints) -> Ints:
    """UTC of 17:00 New York on the date before local day number `day` since 1970."""
    return to_utc(day * _DAY - _TO_DAY_END, NEW_YORK)[0]  # 17:00 is never in doubt there


def _per_row(times: Ints, starts: Ints, values: Ints) -> Ints | np.int64:
    """The value in force at each time; `values[0]` is that before the first start."""
    low, high = (int(np.searchsorted(starts, item, side="right")) for item in (times.min(), times.max()))
    if low == high:  # the usual case of a batch: no clock change in it
        return np.int64(values[low])
    found: Ints = values[low + np.searchsorted(starts[low:high], times, side="right")]
    return found


def _years(times: Ints) -> tuple[int, int]:
    """First and last year that the times touch, whatever the zone."""
    span = np.array([times.min() - _DAY, times.max() + _DAY], dtype=np.int64)
    first, last = (span.view("M8[ns]").astype("M8[Y]").astype(np.int64) + 1970).tolist()
    return first, last


@lru_cache(maxsize=256)
def _changes(zone: ZoneInfo, first: int, last: int) -> tuple[Ints, Ints]:
    """Instants at which the clock of `zone` changes in the years given, and the offsets between them."""
    if last > first:
        parts = [_changes(zone, year, year) for year in range(first, last + 1)]
        instants = np.concatenate([part[0] for part in parts])
        offsets = np.concatenate([parts[0][1], *(part[1][1:] for part in parts[1:])])
        return instants, offsets
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(first + 1, 1, 1, tzinfo=UTC)
    found: list[int] = []
    offsets_found = [_offset(moment, zone)]
    while moment < end:
        following = moment + timedelta(days=1)
        if _offset(following, zone) != offsets_found[-1]:
            low, high = moment, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if _offset(middle, zone) == offsets_found[-1]:
                    low = middle
                else:
                    high = middle
            found.append(int((high - _EPOCH).total_seconds()) * NS_PER_SECOND)
            offsets_found.append(_offset(high, zone))
        moment = following
    return np.array(found, dtype=np.int64), np.array(offsets_found, dtype=np.int64)


def _offset(moment: datetime, zone: ZoneInfo) -> int:
    offset = moment.astimezone(zone).utcoffset()
    if offset is None:  # only an unaware datetime has none
        raise ValueError("expected a time zone with an offset from UTC")
    return int(offset.total_seconds()) * NS_PER_SECOND
