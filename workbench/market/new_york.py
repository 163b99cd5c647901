"""The FX calendar over whole columns: the same answers as `workbench.domain.calendar`, for arrays."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import NEW_YORK
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe

__all__ = ["bar_closes", "bar_opens", "hours_of_week", "is_open", "local_ns", "on_grid", "to_utc"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_HOUR = 60 * NS_PER_MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_STEP = 15 * NS_PER_MINUTE  # no zone of today changes its clock between two quarters of an hour
_THURSDAY = 3  # days from Monday to 1970-01-01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TO_DAY_END = 7 * _HOUR  # 17:00 plus this is midnight
_SUNDAY_EVENING = 4 * _DAY - _TO_DAY_END  # Sunday 17:00 after Thursday 1970-01-01


def local_ns(time_ns: Ints, zone: ZoneInfo = NEW_YORK) -> Ints:
    """What the clocks of `zone` show, as nanoseconds since a local 1970-01-01 00:00."""
    steps, inverse = np.unique(time_ns // _STEP, return_inverse=True)
    offsets = np.empty(len(steps), dtype=np.int64)
    for index, step in enumerate(steps.tolist()):
        offset = (_EPOCH + timedelta(minutes=15 * step)).astimezone(zone).utcoffset()
        offsets[index] = _ns(offset)
    return time_ns + offsets[inverse]


def to_utc(naive_ns: Ints, zone: ZoneInfo) -> tuple[Ints, Flags]:
    """UTC of what the clocks of `zone` showed, and where that time was shown twice or never."""
    steps, inverse = np.unique(naive_ns // _STEP, return_inverse=True)
    offsets = np.empty(len(steps), dtype=np.int64)
    doubtful = np.zeros(len(steps), dtype=np.bool_)
    for index, step in enumerate(steps.tolist()):
        moment = (_EPOCH + timedelta(minutes=15 * step)).replace(tzinfo=zone)
        first, second = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        offsets[index] = _ns(first)
        doubtful[index] = first != second
    return naive_ns - offsets[inverse], doubtful[inverse]


def hours_of_week(time_ns: Ints) -> Ints:
    """Hours since Sunday 17:00 by the New York clock, 0 to 167."""
    return (local_ns(time_ns) - _SUNDAY_EVENING) % _WEEK // _HOUR


def is_open(time_ns: Ints) -> Flags:
    """Whether the FX week is open, Sunday 17:00 to Friday 17:00 New York; holidays not considered."""
    flags: Flags = hours_of_week(time_ns) < 5 * 24
    return flags


def bar_opens(time_ns: Ints, timeframe: Timeframe) -> Ints:
    """When the bar of `timeframe` that contains each instant opens."""
    if not timeframe.is_by_session:
        return time_ns // timeframe.nanoseconds * timeframe.nanoseconds
    days = (local_ns(time_ns) + _TO_DAY_END) // _DAY
    return _utc_of_day_end(_first_day(days, timeframe))


def bar_closes(open_ns: Ints, timeframe: Timeframe) -> Ints:
    """When each bar closes; bars of days, weeks and months at a 17:00 of New York."""
    if not timeframe.is_by_session:
        return open_ns + timeframe.nanoseconds
    days = (local_ns(open_ns) + _TO_DAY_END) // _DAY
    return _utc_of_day_end(_next_first_day(days, timeframe))


def on_grid(open_ns: Ints, timeframe: Timeframe) -> Flags:
    """Whether a bar of `timeframe` opens at each instant."""
    flags: Flags = bar_opens(open_ns, timeframe) == open_ns
    return flags


def _first_day(days: Ints, timeframe: Timeframe) -> Ints:
    """The first day of each day's week (a Monday) or month; the day itself for day bars."""
    if timeframe is Timeframe.W1:
        return (days + _THURSDAY) // 7 * 7 - _THURSDAY
    if timeframe is Timeframe.MN1:
        return days.astype("M8[D]").astype("M8[M]").astype("M8[D]").astype(np.int64)
    return days


def _next_first_day(days: Ints, timeframe: Timeframe) -> Ints:
    if timeframe is Timeframe.W1:
        return _first_day(days, timeframe) + 7
    if timeframe is Timeframe.MN1:
        return (days.astype("M8[D]").astype("M8[M]") + 1).astype("M8[D]").astype(np.int64)
    return days + 1


def _utc_of_day_end(day: Ints) -> Ints:
    """UTC of 17:00 New York on the date before local day number `day` since 1970."""
    return to_utc(day * _DAY - _TO_DAY_END, NEW_YORK)[0]  # 17:00 is never in doubt there


def _ns(offset: timedelta | None) -> int:
    if offset is None:  # only an unaware datetime has none
        raise ValueError("expected a time zone with an offset from UTC")
    return int(offset.total_seconds()) * 1_000_000_000
