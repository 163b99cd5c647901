"""When expressions come due: wall-clock times, each once, also on the days when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.domain.calendar import to_datetime, to_ns
from workbench.schedule import BadCronError, check_cron, due_times, next_run_ns
from workbench.schedule.cron import check_timezone


def _due(cron: str, zone: str, first: str, last: str) -> list[str]:
    """Due moments in UTC between two UTC moments."""
    start, end = (to_ns(datetime.fromisoformat(text).replace(tzinfo=UTC)) for text in (first, last))
    return [
        f"{to_datetime(item):%m-%d %H:%M}" for item in due_times(cron, zone, after_ns=start, until_ns=end)
    ]


def test_a_time_that_spring_skips_runs_once_when_the_clock_has_jumped() -> None:
    # New York 2026: 02:00 EST became 03:00 EDT on 8 March at 07:00 UTC
    found = _due("30 2 * * *", "America/New_York", "2026-03-07", "2026-03-10")
    assert found == ["03-07 07:30", "03-08 07:00", "03-09 06:30"]


def test_a_time_that_autumn_repeats_runs_the_first_time_only() -> None:
    # New York 2026: 02:00 EDT became 01:00 EST on 1 November at 06:00 UTC
    found = _due("30 1 * * *", "America/New_York", "2026-10-31", "2026-11-03")
    assert found == ["10-31 05:30", "11-01 05:30", "11-02 06:30"]


def test_several_skipped_times_run_once_together() -> None:
    assert _due("15,45 2 * * *", "America/New_York", "2026-03-08", "2026-03-09") == ["03-08 07:00"]


def test_the_end_of_the_fx_day_stays_at_five_in_new_york() -> None:
    found = _due("0 17 * * 1-5", "America/New_York", "2026-03-05", "2026-03-11")
    assert found == ["03-05 22:00", "03-06 22:00", "03-09 21:00", "03-10 21:00"]


@pytest.mark.parametrize(
    ("zone", "first", "last", "moments"),
    [
        ("America/New_York", "2026-03-08T05:00", "2026-03-08T09:00", 8),
        ("America/New_York", "2026-11-01T04:00", "2026-11-01T08:00", 8),
        ("Australia/Lord_Howe", "2026-04-04T12:00", "2026-04-04T18:00", 12),  # jumps by half an hour
        ("Antarctica/Troll", "2026-03-28T22:00", "2026-03-29T04:00", 12),  # jumps by two hours
    ],
)
def test_every_half_hour_follows_the_elapsed_time(zone: str, first: str, last: str, moments: int) -> None:
    found = _due("*/30 * * * *", zone, first, last)
    assert len(found) == len(set(found)) == moments


@pytest.mark.parametrize(
    "zone", ["Europe/London", "America/New_York", "Australia/Sydney", "Asia/Tokyo", "America/Sao_Paulo"]
)
@given(hour=st.integers(0, 23), minute=st.integers(0, 59), year=st.integers(2015, 2035))
@settings(max_examples=6, deadline=None)
def test_a_daily_time_runs_once_on_each_day_of_the_year(zone: str, hour: int, minute: int, year: int) -> None:
    local = ZoneInfo(zone)
    start, end = (datetime(year + more, 1, 1, tzinfo=local) for more in (0, 1))
    just_before = to_ns(start) - 1_000
    found = due_times(f"{minute} {hour} * * *", zone, after_ns=just_before, until_ns=to_ns(end) - 1_000)
    days = [to_datetime(item).astimezone(local).date() for item in found]
    assert days == [start.date() + timedelta(days=n) for n in range((end.date() - start.date()).days)]


def test_the_next_time_is_always_later() -> None:
    moment = to_ns(datetime(2026, 11, 1, 5, 30, tzinfo=UTC))
    assert next_run_ns("30 1 * * *", "America/New_York", after_ns=moment) > moment
    assert next_run_ns("30 1 * * *", "America/New_York", after_ns=moment - 1_000) == moment


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "* * *",
        "* * * * * *",
        "60 * * * *",
        "0 24 * * *",
        "a b c d e",
        "0 0 30 2 *",
        "R * * * *",
        "@reboot",
    ],
)
def test_an_expression_that_never_or_nowhere_fits_is_refused(cron: str) -> None:
    with pytest.raises(BadCronError, match="cron expression"):
        check_cron(cron)


@pytest.mark.parametrize("name", ["", "EST5", "Mars/Olympus", "../etc/passwd", "new york"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(BadCronError, match="IANA time zone"):
        check_timezone(name)
