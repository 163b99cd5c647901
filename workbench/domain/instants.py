"""Instants as nanoseconds since 1970, and the FX day that ends at 17:00 New York.

Source: FX market convention; the day is cut by the New York clock, so it has 23 or 25 hours when
daylight saving changes.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["NEW_YORK", "day_close_ns", "day_open_ns", "hour_of_week", "session_of", "to_datetime", "to_ns"]

NEW_YORK = ZoneInfo("America/New_York")
_DAY_END = time(17)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SATURDAY, _SUNDAY = 5, 6


def to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime.

    Raises
    ------
    ValueError
        The datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"expected an aware datetime, found the naive {moment!r}; give it a tzinfo")
    delta = moment - _EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


def to_datetime(time_ns: int) -> datetime:
    """The UTC datetime of nanoseconds since 1970 (whole microseconds; finer digits are cut)."""
    return _EPOCH + timedelta(microseconds=int(time_ns) // 1_000)


@lru_cache(maxsize=32_768)
def day_close_ns(session: date) -> int:
    """When the FX day `session` ends: 17:00 New York on that date."""
    return to_ns(datetime.combine(session, _DAY_END, tzinfo=NEW_YORK))


def day_open_ns(session: date) -> int:
    """When the FX day `session` begins: 17:00 New York on the calendar day before."""
    return day_close_ns(session - timedelta(days=1))


def session_of(time_ns: int) -> date:
    """The FX day an instant belongs to; Friday 17:00 to Sunday 17:00 belongs to the next Monday."""
    local = to_datetime(time_ns).astimezone(NEW_YORK)
    session = local.date() + timedelta(days=1) if local.time() >= _DAY_END else local.date()
    return session + timedelta(days={_SATURDAY: 2, _SUNDAY: 1}.get(session.weekday(), 0))


def hour_of_week(time_ns: int) -> int:
    """Hours since Sunday 17:00 New York by the New York clock, 0 to 167 (0 is Sunday 17:00 to 18:00)."""
    local = to_datetime(time_ns).astimezone(NEW_YORK)
    return ((local.weekday() + 1) % 7 * 24 + local.hour - 17) % 168
