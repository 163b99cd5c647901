"""The FX week and day, against dates that others published."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.calendar import (
    are_open,
    day_close_ns,
    day_open_ns,
    financing_days,
    hour_of_week,
    is_open,
    session_of,
    to_datetime,
    to_ns,
)
from workbench.domain.timeframes import Timeframe, timeframe
from workbench.errors import BadInputError
from workbench.market.new_york import bar_closes, bar_opens, hours_of_week

_HOUR = 3_600_000_000_000
_FIRST, _LAST = to_ns(datetime(1990, 1, 1, tzinfo=UTC)), to_ns(datetime(2037, 12, 31, tzinfo=UTC))
instants = st.integers(_FIRST // 1_000, _LAST // 1_000).map(lambda microseconds: microseconds * 1_000)


@pytest.mark.parametrize(
    ("session", "utc_hour"),
    # 17:00 New York in the weeks of 2026 in which New York and London change their clocks
    [(date(2026, 3, 6), 22), (date(2026, 3, 8), 21), (date(2026, 10, 30), 21), (date(2026, 11, 1), 22)],
)
def test_the_day_ends_at_17_new_york_through_daylight_saving(session: date, utc_hour: int) -> None:
    assert to_datetime(day_close_ns(session)) == datetime(
        session.year, session.month, session.day, utc_hour, tzinfo=UTC
    )


def test_a_day_with_a_clock_change_has_23_or_25_hours() -> None:
    assert day_close_ns(date(2026, 3, 8)) - day_open_ns(date(2026, 3, 8)) == 23 * _HOUR
    assert day_close_ns(date(2026, 11, 1)) - day_open_ns(date(2026, 11, 1)) == 25 * _HOUR
    assert day_close_ns(date(2026, 6, 3)) - day_open_ns(date(2026, 6, 3)) == 24 * _HOUR


@pytest.mark.parametrize(
    ("moment", "is_it"),
    [
        (datetime(2026, 3, 6, 21, 59, tzinfo=UTC), True),  # Friday 16:59 New York, winter
        (datetime(2026, 3, 6, 22, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 7, 12, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 8, 20, 59, tzinfo=UTC), False),  # Sunday 16:59 New York, summer
        (datetime(2026, 3, 8, 21, 0, tzinfo=UTC), True),
        (datetime(2026, 10, 30, 20, 59, tzinfo=UTC), True),
        (datetime(2026, 10, 30, 21, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 1, 21, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 1, 22, 0, tzinfo=UTC), True),
    ],
)
def test_the_week_opens_sunday_and_closes_friday_at_17_new_york(moment: datetime, is_it: bool) -> None:
    assert is_open(to_ns(moment)) is is_it


def test_the_weekend_belongs_to_monday() -> None:
    monday = date(2026, 3, 9)
    for moment in (
        datetime(2026, 3, 6, 22, 0, tzinfo=UTC),
        datetime(2026, 3, 7, 23, 0, tzinfo=UTC),
        datetime(2026, 3, 8, 21, 0, tzinfo=UTC),
        datetime(2026, 3, 9, 20, 59, 59, tzinfo=UTC),
    ):
        assert session_of(to_ns(moment)) == monday
    assert session_of(to_ns(datetime(2026, 3, 9, 21, 0, tzinfo=UTC))) == date(2026, 3, 10)


@given(instants)
def test_an_open_instant_lies_within_its_session(instant: int) -> None:
    session = session_of(instant)
    assert session.weekday() < 5
    if is_open(instant):
        assert day_open_ns(session) <= instant < day_close_ns(session)


@given(instants)
def test_instants_and_datetimes_are_inverses(instant: int) -> None:
    assert to_ns(to_datetime(instant)) == instant


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an aware datetime"):
        to_ns(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("weekday", "days"), [(0, 1), (1, 1), (2, 3), (3, 1), (4, 1), (5, 0), (6, 0)]
)  # the published table of a T+2 pair: Wednesday three
def test_financing_days_are_those_of_a_pair_that_settles_in_two_days(weekday: int, days: int) -> None:
    assert financing_days(date(2026, 3, 2) + timedelta(days=weekday)) == days


@pytest.mark.parametrize(
    ("moment", "hour"),
    [
        (datetime(2026, 3, 8, 21, 0, tzinfo=UTC), 0),
        (datetime(2026, 3, 1, 22, 59, tzinfo=UTC), 0),
        (datetime(2026, 3, 9, 20, 0, tzinfo=UTC), 23),
        (datetime(2026, 3, 6, 21, 0, tzinfo=UTC), 119),
    ],
)
def test_the_hour_of_week_counts_from_sunday_17_by_the_new_york_clock(moment: datetime, hour: int) -> None:
    assert hour_of_week(to_ns(moment)) == hour


@given(st.lists(instants, min_size=1, max_size=20))
def test_columns_and_single_instants_agree(moments: list[int]) -> None:
    column = np.array(moments, dtype=np.int64)
    assert hours_of_week(column).tolist() == [hour_of_week(item) for item in moments]
    assert are_open(column).tolist() == [is_open(item) for item in moments]


@given(instants)
def test_a_day_bar_is_the_session_of_its_instants(instant: int) -> None:
    column = np.array([instant], dtype=np.int64)
    opened = int(bar_opens(column, Timeframe.D1)[0])
    closed = int(bar_closes(np.array([opened]), Timeframe.D1)[0])
    assert opened <= instant < closed
    if is_open(instant):
        session = session_of(instant)
        assert (opened, closed) == (day_open_ns(session), day_close_ns(session))


def test_timeframes_are_found_by_name_and_nothing_else() -> None:
    assert timeframe("H4").minutes == 240
    with pytest.raises(BadInputError, match="unknown timeframe 'H7'; expected seconds"):
        timeframe("H7")
