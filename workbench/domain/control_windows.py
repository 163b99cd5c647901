"""Windows of time that a control allows or forbids: hours of the week in New York, and spans in UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["in_trading_window", "in_utc_window", "minutes_to_rollover", "trading_window", "utc_window"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NEW_YORK = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? (\d\d):(\d\d)-(\d\d):(\d\d)"
)


@lru_cache(maxsize=1_024)
def trading_window(text: str) -> tuple[int, int, int, int]:
    """First and last day (Monday 0), first minute and the minute after the last, of ``Mon-Fri 08:00-17:00``.

    Raises
    ------
    ValueError
        It is not of that form, or does not end after it begins.
    """
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError("expected days and hours as in Mon-Fri 08:00-17:00")
    first = _DAYS.index(found[1])
    last = _DAYS.index(found[2]) if found[2] else first
    start, end = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
    if last < first or not start < end <= 1_440 or int(found[4]) > 59 or int(found[6]) > 59:
        raise ValueError("expected a window that ends after it begins, within Mon-Sun and 00:00-24:00")
    return first, last, start, end


@lru_cache(maxsize=1_024)
def utc_window(text: str) -> tuple[int, int]:
    """First and last nanosecond of ``2026-12-16T13:25Z/2026-12-16T13:45Z``.

    Raises
    ------
    ValueError
        It is not of that form, or does not end after it begins.
    """
    start, slash, end = text.partition("/")
    if not slash or not (start.endswith("Z") and end.endswith("Z")):
        raise ValueError("expected two instants in UTC with / between them")
    ends = (_ns(datetime.fromisoformat(start)), _ns(datetime.fromisoformat(end)))
    if ends[0] >= ends[1]:
        raise ValueError("expected a window that ends after it begins")
    return ends


def in_trading_window(text: str, time_ns: int) -> bool:
    """Whether an instant lies in a window of the week, by New York's clock."""
    first, last, start, end = trading_window(text)
    local = _local(time_ns)
    return first <= local.weekday() <= last and start <= local.hour * 60 + local.minute < end


def in_utc_window(text: str, time_ns: int) -> bool:
    """Whether an instant lies in a span, its ends with it."""
    start, end = utc_window(text)
    return start <= time_ns <= end


def minutes_to_rollover(time_ns: int) -> int:
    """Whole minutes from an instant to the nearest 17:00 New York, before or after it; 0 at 17:00 itself."""
    local = _local(time_ns)
    off_s = abs(local.hour * 3_600 + local.minute * 60 + local.second - 17 * 3_600)
    return min(off_s, 86_400 - off_s) // 60


def _local(time_ns: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=time_ns // 1_000)).astimezone(_NEW_YORK)


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000
