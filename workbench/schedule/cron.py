"""When a cron expression comes due: wall-clock times in a named zone, once a day also when clocks change.

The rules of Vixie cron. A time that daylight saving skips (02:30 in spring) runs at the moment the clock
has jumped; a time that comes twice (01:30 in autumn) runs the first time only. Expressions whose hour is a
star follow the elapsed hours instead: they run in both of the repeated hours and not in the skipped one.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from workbench.domain.calendar import to_datetime, to_ns
from workbench.schedule.errors import BadCronError

__all__ = ["check_cron", "check_timezone", "due_times", "next_run_ns"]

_FIELDS = re.compile(r"(?:[0-9*,/#-]|[A-Za-z]{3}|[Ll])+")  # no R or H: random times
_NAMED = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_LONGEST_JUMP = timedelta(hours=3)  # Antarctica/Troll's clock jumps by two
_MINUTE = timedelta(minutes=1)


def check_timezone(name: str) -> ZoneInfo:
    """The zone called `name`, as in ``America/New_York``.

    Raises
    ------
    BadCronError
        No such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadCronError(
            f"expected an IANA time zone like Europe/London or America/New_York, found {name!r}"
        ) from None


def check_cron(cron: str) -> str:
    """The expression, its spaces normalised: minute, hour, day of month, month, day of week.

    Raises
    ------
    BadCronError
        Not such an expression, or one that never comes due.
    """
    text = " ".join(cron.split())
    fields = text.split(" ")
    named = text in _NAMED
    if not named and (len(fields) != 5 or not all(_FIELDS.fullmatch(item) for item in fields)):
        raise BadCronError(
            "expected a cron expression of five fields (minute hour day month weekday), "
            f"as in '30 17 * * 1-5', found {cron!r}"
        )
    try:
        if not named:
            croniter.expand(text)
        croniter(text, datetime(2024, 1, 1)).get_next(datetime)  # noqa: DTZ001 - a wall clock's time
    except (ValueError, KeyError) as error:  # croniter's own errors are ValueErrors
        raise BadCronError(f"the cron expression {cron!r} can not be used: {error}") from None
    return text


def next_run_ns(cron: str, timezone: str, *, after_ns: int) -> int:
    """The first moment after `after_ns` at which the expression comes due, nanoseconds UTC."""
    zone = check_timezone(timezone)
    text = check_cron(cron)
    after = to_datetime(after_ns)
    by_elapsed_hours = text == "@hourly" or (not text.startswith("@") and text.split(" ")[1].startswith("*"))
    start = after.astimezone(zone).replace(tzinfo=None) - _LONGEST_JUMP
    times = croniter(text, start)
    best: datetime | None = None
    while True:
        wall = times.get_next(datetime)
        first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if best is not None and first - _LONGEST_JUMP > best:
            return to_ns(best)
        for moment in _moments(wall, zone, by_elapsed_hours=by_elapsed_hours):
            if moment > after and (best is None or moment < best):
                best = moment


def due_times(cron: str, timezone: str, *, after_ns: int, until_ns: int, most: int = 10_000) -> list[int]:
    """The moments in ``(after_ns, until_ns]`` at which the expression comes due, at most `most`."""
    found: list[int] = []
    moment = next_run_ns(cron, timezone, after_ns=after_ns)
    while moment <= until_ns and len(found) < most:
        found.append(moment)
        moment = next_run_ns(cron, timezone, after_ns=moment)
    return found


def _moments(wall: datetime, zone: ZoneInfo, *, by_elapsed_hours: bool) -> list[datetime]:
    """The moments at which a clock in `zone` that shows `wall` comes due."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early == late:
        return [early]
    if early < late:  # the clock shows it twice
        return [early, late] if by_elapsed_hours else [early]
    return [] if by_elapsed_hours else [_after_jump(wall, zone)]


def _after_jump(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment the clock jumped over `wall`."""
    later = wall
    while later.replace(tzinfo=zone, fold=0).astimezone(UTC) > later.replace(tzinfo=zone, fold=1).astimezone(
        UTC
    ):
        later += _MINUTE  # zones change on whole minutes
    return later.replace(tzinfo=zone, second=0, microsecond=0).astimezone(UTC)
