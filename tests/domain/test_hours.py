"""Trading hours, against published hours and an independent look at the New York clock."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.domain.calendar import (
    BROKERS,
    Hours,
    are_open,
    day_close_ns,
    expected_bars,
    hours_of,
    is_open,
    next_close,
    next_open,
    to_datetime,
    to_ns,
)
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError

NEW_YORK = ZoneInfo("America/New_York")
GOLD, EUR_USD, NZD_USD = instrument("XAU_USD"), instrument("EUR_USD"), instrument("NZD_USD")
_MINUTE = 60_000_000_000


def new_york(*parts: int) -> int:
    return to_ns(datetime(*parts, tzinfo=NEW_YORK))  # type: ignore[misc, arg-type]


def utc(*parts: int) -> int:
    return to_ns(datetime(*parts, tzinfo=UTC))  # type: ignore[misc, arg-type]


def looks_open(moment: datetime) -> bool:
    """The week of a currency pair by the rules as they are told: no table, no cache."""
    local = moment.astimezone(NEW_YORK)
    clock, weekday, day = local.time(), local.weekday(), (local.month, local.day)
    if weekday == 5 or (weekday == 4 and clock >= time(17)) or (weekday == 6 and clock < time(17)):
        return False
    if day == (12, 25) and time(3) <= clock < time(17):
        return False
    return not ((day == (12, 31) and clock >= time(17)) or (day == (1, 1) and clock < time(17)))


def test_twenty_years_of_half_hours_are_open_when_the_new_york_clock_says_so() -> None:
    # every half hour of the weeks in which New York, Europe or nobody changes the clock, 2006 to 2026
    moments = []
    for year in range(2006, 2027):
        for month, day in ((1, 1), (3, 6), (3, 27), (6, 30), (10, 26), (11, 1), (12, 22), (12, 29)):
            start = datetime(year, month, day, tzinfo=UTC)
            moments += [start + timedelta(minutes=30 * step) for step in range(9 * 48)]
    times = np.array([to_ns(item) for item in moments], dtype=np.int64)
    found = are_open(times)
    assert found.tolist() == [looks_open(item) for item in moments]


def test_every_clock_change_of_twenty_years_moves_the_opening_in_utc() -> None:
    for year in range(2006, 2027):
        for month in range(1, 13):
            session = date(year, month, 15)
            sunday = session - timedelta(days=(session.weekday() + 1) % 7)
            opening = datetime.combine(sunday, time(17), tzinfo=NEW_YORK)
            if (month, opening.day) == (1, 1):
                continue
            assert next_open(to_ns(opening) - 24 * 60 * _MINUTE) == to_ns(opening)
            assert to_datetime(to_ns(opening)).hour == (21 if opening.dst() else 22)


@pytest.mark.parametrize(
    ("moment", "is_it"),
    [
        (new_york(2026, 3, 6, 16, 59), True),
        (new_york(2026, 3, 6, 17, 0), False),
        (new_york(2026, 3, 8, 17, 30), False),  # gold opens an hour after the currencies
        (new_york(2026, 3, 8, 18, 0), True),
        (new_york(2026, 3, 10, 17, 0), False),  # the daily hour
        (new_york(2026, 3, 10, 17, 59), False),
        (new_york(2026, 3, 10, 18, 0), True),
    ],
)
def test_gold_rests_an_hour_a_day(moment: int, is_it: bool) -> None:
    assert is_open(moment, GOLD) is is_it


def test_currencies_do_not_rest_on_a_weekday() -> None:
    assert is_open(new_york(2026, 3, 10, 17, 0), EUR_USD)
    assert next_close(new_york(2026, 3, 9, 10), EUR_USD) == new_york(2026, 3, 13, 17)


def test_christmas_and_new_year_are_closed_as_dukascopy_publishes() -> None:
    # its EUR/USD record: 25 December 08:00 to 22:00 UTC, 31 December 22:00 to 1 January 22:00 UTC
    for year in (2014, 2018, 2019, 2024, 2025):
        for closed, opened in (
            (utc(year, 12, 25, 8), utc(year, 12, 25, 22)),
            (utc(year, 12, 31, 22), utc(year + 1, 1, 1, 22)),
        ):
            assert is_open(closed - 1)
            assert not is_open(closed)
            assert next_open(closed) == opened
            assert next_close(closed - _MINUTE) == closed


def test_oanda_pauses_five_minutes_a_day_and_opens_three_past_five() -> None:
    hours = hours_of(EUR_USD, broker="oanda")
    assert next_close(new_york(2026, 3, 10, 12), hours=hours) == new_york(2026, 3, 10, 16, 58)
    assert next_open(new_york(2026, 3, 10, 16, 58), hours=hours) == new_york(2026, 3, 10, 17, 3)
    assert next_open(new_york(2026, 3, 7, 12), hours=hours) == new_york(2026, 3, 8, 17, 3)
    gold = hours_of(GOLD, broker="oanda")
    assert next_open(new_york(2026, 3, 10, 17), hours=gold) == new_york(2026, 3, 10, 18, 3)


def test_new_zealand_pairs_pause_at_0658_in_auckland() -> None:
    hours = hours_of(NZD_USD, broker="oanda")
    assert next_close(new_york(2026, 1, 13, 8), hours=hours) == new_york(2026, 1, 13, 12, 58)
    assert next_close(new_york(2026, 7, 14, 8), hours=hours) == new_york(2026, 7, 14, 14, 58)


def test_an_instrument_may_bring_its_own_hours() -> None:
    own = Hours(name="own", week_open=time(20), week_close=time(12))
    pair = type(EUR_USD)(id=EUR_USD.id, base="EUR", quote="USD", digits=5, pip_exponent=-4, hours=own)
    assert hours_of(pair) is own
    assert next_open(new_york(2026, 3, 7, 12), pair) == new_york(2026, 3, 8, 20)


def test_an_unknown_broker_is_named_with_those_known() -> None:
    with pytest.raises(BadInputError, match="no hours of broker 'nobody'; known: market, oanda"):
        hours_of(broker="nobody")


moments = st.integers(utc(1995, 1, 1), utc(2040, 1, 1))
all_hours = st.sampled_from([item for three in BROKERS.values() for item in three])


@given(moments, all_hours)
def test_the_next_opening_and_closing_are_where_the_answer_changes(moment: int, hours: Hours) -> None:
    opened, closed = next_open(moment, hours=hours), next_close(moment, hours=hours)
    assert is_open(opened, hours=hours)
    assert not is_open(closed, hours=hours)
    if is_open(moment, hours=hours):
        assert opened == moment < closed
        assert is_open(closed - 1, hours=hours)
    else:
        assert closed == moment < opened
        assert not is_open(opened - 1, hours=hours)


@settings(deadline=None, max_examples=50)
@given(moments, st.sampled_from(["M15", "H1", "H4", "D1"]), all_hours)
def test_the_bars_expected_are_those_with_an_open_minute(moment: int, name: str, hours: Hours) -> None:
    frame = Timeframe(name)
    start = moment // (1440 * _MINUTE) * 1440 * _MINUTE
    end = start + 6 * 1440 * _MINUTE
    found = expected_bars(None, frame, start, end, hours=hours)
    if frame is Timeframe.D1:
        grid = [day_close_ns(to_datetime(start).date() + timedelta(days=day)) for day in range(-2, 9)]
    else:
        grid = list(range(start, end + frame.nanoseconds, frame.nanoseconds))
    wanted = [
        opened
        for opened, closed in pairwise(grid)
        if start <= opened < end and next_open(opened, hours=hours) < closed
    ]
    assert found.tolist() == wanted


def test_a_week_has_7200_minutes_120_hours_and_5_days() -> None:
    start, end = new_york(2026, 3, 8, 17), new_york(2026, 3, 15, 17)
    counts = [len(expected_bars(EUR_USD, Timeframe(name), start, end)) for name in ("M1", "H1", "D1", "W1")]
    assert counts == [7200, 120, 5, 1]
    assert len(expected_bars(GOLD, Timeframe.H1, start, end)) == 5 * 23
    month = expected_bars(EUR_USD, Timeframe.MN1, new_york(2026, 1, 31, 17), new_york(2026, 4, 1))
    assert month.tolist() == [new_york(2026, 1, 31, 17), new_york(2026, 2, 28, 17), new_york(2026, 3, 31, 17)]
    assert len(expected_bars(EUR_USD, Timeframe.H1, end, start)) == 0
