"""Value dates and financing days, against published dates and tables."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.bank_holidays import bank_holidays, is_business_day
from workbench.domain.calendar import (
    day_close_ns,
    financing_days,
    rollover_table,
    to_ns,
    value_date,
)
from workbench.domain.instruments import Instrument, InstrumentId, instrument
from workbench.errors import BadInputError

_HOUR = 3_600_000_000_000
EUR_USD, USD_CAD, GBP_USD = instrument("EUR_USD"), instrument("USD_CAD"), instrument("GBP_USD")
USD_MXN, EUR_GBP = instrument("USD_MXN"), instrument("EUR_GBP")


def week(monday: date, name: str) -> list[int]:
    return [financing_days(monday + timedelta(days=day), instrument(name)) for day in range(5)]


def test_a_us_holiday_on_the_value_date_moves_it_on() -> None:  # G-VD1: 3 July 2026 is a US holiday
    assert value_date(date(2026, 7, 1), EUR_USD) == date(2026, 7, 6)


@pytest.mark.parametrize(
    ("name", "session", "expected"),
    [
        ("EUR_USD", date(2026, 3, 2), date(2026, 3, 4)),  # two good days
        ("EUR_USD", date(2026, 3, 5), date(2026, 3, 9)),  # over the weekend
        ("USD_CAD", date(2026, 3, 2), date(2026, 3, 3)),  # one good day
        ("EUR_CAD", date(2026, 3, 2), date(2026, 3, 4)),  # a cross of it two
        ("EUR_GBP", date(2026, 7, 1), date(2026, 7, 6)),  # a cross does not settle on a USD holiday
        ("EUR_USD", date(2026, 7, 2), date(2026, 7, 6)),  # USD holiday on the day between: not counted
        ("USD_MXN", date(2026, 7, 2), date(2026, 7, 7)),  # but against the peso it is
        ("USD_JPY", date(2026, 4, 28), date(2026, 5, 1)),  # 29 April: Showa day
        ("EUR_USD", date(2026, 4, 1), date(2026, 4, 7)),  # Good Friday and Easter Monday
        ("USD_CAD", date(2026, 6, 30), date(2026, 7, 2)),  # Canada Day
    ],
)
def test_value_dates_follow_the_banks_of_both_currencies(name: str, session: date, expected: date) -> None:
    assert value_date(session, instrument(name)) == expected


def test_a_plain_week_charges_three_days_on_wednesday() -> None:  # G-ROLL1
    assert week(date(2026, 3, 2), "EUR_USD") == [1, 1, 3, 1, 1]


def test_a_pair_that_settles_in_a_day_charges_three_on_thursday() -> None:  # G-ROLL2
    assert week(date(2026, 3, 2), "USD_CAD") == [1, 1, 1, 3, 1]


def test_a_holiday_monday_charges_four_days_on_the_wednesday_before() -> None:  # G-ROLL3
    # 1 May 2023, a Monday, is a holiday of the euro: Friday nothing, then Monday one
    assert week(date(2023, 4, 24), "EUR_USD") == [1, 1, 4, 1, 0]
    assert week(date(2023, 5, 1), "EUR_USD")[0] == 1


def test_a_us_holiday_monday_moves_thursdays_value_date_onto_fridays() -> None:
    # 19 January 2026: Thursday's trade settles on Tuesday like Friday's, whose day between is the holiday
    assert week(date(2026, 1, 12), "EUR_USD") == [1, 1, 4, 0, 1]


def test_weekends_are_never_charged() -> None:
    assert [financing_days(date(2026, 3, day), EUR_USD) for day in (7, 8)] == [0, 0]
    assert [financing_days(date(2026, 3, day)) for day in range(2, 9)] == [1, 1, 3, 1, 1, 0, 0]


def test_the_published_financing_of_a_wednesday_is_for_three_days() -> None:
    # G-FIN1: 100,000 long at 1.15826 and -3.00 % pays 9.52 USD a day
    a_day = 100_000 * 1.15826 * -0.03 / 365
    assert round(a_day, 2) == -9.52
    assert round(a_day * financing_days(date(2026, 3, 4), EUR_USD), 2) == -28.56


def test_an_unknown_currency_has_no_value_date() -> None:
    odd = Instrument(id=InstrumentId("USD_QQQ"), base="USD", quote="QQQ", digits=5, pip_exponent=-4)
    with pytest.raises(BadInputError, match="no bank calendar for 'QQQ'; known: ARS, AUD"):
        value_date(date(2026, 3, 2), odd)


def test_days_without_settlement_are_those_the_central_banks_publish() -> None:
    # ECB: TARGET closing days 2026; Bank of England: England; Bank of Japan: with 31 December to 3 January
    def days(currency: str) -> list[str]:
        return [f"{day:%m-%d}" for day, _ in bank_holidays(currency, 2026)]

    assert days("EUR") == ["01-01", "04-03", "04-06", "05-01", "12-25"]
    assert days("GBP") == ["01-01", "04-03", "04-06", "05-04", "05-25", "08-31", "12-25", "12-28"]
    assert {"01-02", "12-31"} <= set(days("JPY"))


sessions = st.dates(date(1999, 6, 1), date(2035, 1, 1)).filter(lambda day: day.weekday() < 5)
names = st.sampled_from(["EUR_USD", "USD_CAD", "EUR_GBP", "USD_JPY", "USD_MXN", "XAU_USD", "NZD_USD"])


def slow_value_date(session: date, pair: Instrument) -> date:
    """The rules of the market, day by day."""
    strict = {pair.base, pair.quote} & {"MXN", "CLP", "ARS"}
    between = {pair.base, pair.quote} - (set() if strict else {"USD"})
    found = session
    for step in range(pair.settlement_days):
        last = step == pair.settlement_days - 1
        needed = {pair.base, pair.quote, "USD"} if last else between
        found += timedelta(days=1)
        while not all(is_business_day(found, currency) for currency in needed):
            found += timedelta(days=1)
    return found


@given(sessions, names)
def test_value_dates_are_those_counted_day_by_day(session: date, name: str) -> None:
    pair = instrument(name)
    assert value_date(session, pair) == slow_value_date(session, pair)
    following = session + timedelta(days=3 if session.weekday() == 4 else 1)
    expected = slow_value_date(following, pair) - slow_value_date(session, pair)
    assert financing_days(session, pair) == expected.days


def test_the_rollovers_of_a_week_stand_at_17_new_york() -> None:
    start, end = to_ns(datetime(2026, 3, 1, 22, tzinfo=UTC)), to_ns(datetime(2026, 3, 8, 21, tzinfo=UTC))
    instants, days = rollover_table([EUR_USD, USD_CAD], start, end)
    assert instants.tolist() == [day_close_ns(date(2026, 3, day)) for day in range(2, 7)]
    assert days.T.tolist() == [[1, 1, 3, 1, 1], [1, 1, 1, 3, 1]]
    assert instants.dtype == days.dtype == np.int64
    assert days.flags.c_contiguous


def test_an_evening_at_which_nobody_is_charged_is_left_out() -> None:
    friday = date(2023, 4, 28)  # before the holiday Monday of the euro
    after, until = day_close_ns(friday) - _HOUR, day_close_ns(friday)
    assert len(rollover_table([EUR_USD], after, until)[0]) == 0
    assert rollover_table([EUR_USD, USD_CAD], after, until)[1].tolist() == [[0, 1]]
    assert rollover_table([], after, until)[1].shape == (0, 0)
    assert rollover_table([EUR_USD], until, after)[1].shape == (0, 1)


def test_a_rollover_counts_at_its_instant_and_not_after_it() -> None:
    instant = day_close_ns(date(2026, 3, 4))
    assert rollover_table([EUR_USD], instant - 1, instant)[1].tolist() == [[3]]
    assert len(rollover_table([EUR_USD], instant, instant + 1)[0]) == 0


@given(st.lists(st.integers(0, 900 * 24 * _HOUR), min_size=2, max_size=5).map(sorted))
def test_rollovers_of_adjacent_spans_are_those_of_the_whole(offsets: list[int]) -> None:
    cuts = [to_ns(datetime(2022, 10, 1, tzinfo=UTC)) + item for item in offsets]
    pairs = [EUR_USD, USD_CAD, GBP_USD]
    parts = [rollover_table(pairs, low, high) for low, high in pairwise(cuts)]
    instants, days = rollover_table(pairs, cuts[0], cuts[-1])
    assert np.concatenate([part[0] for part in parts]).tolist() == instants.tolist()
    assert np.concatenate([part[1] for part in parts]).tolist() == days.tolist()


def test_over_twenty_years_the_days_charged_are_the_days_that_passed() -> None:
    start, end = date(2006, 1, 2), date(2026, 1, 5)
    _, days = rollover_table(
        [EUR_USD, USD_CAD, EUR_GBP, USD_MXN], day_close_ns(start) - 1, day_close_ns(end) - 1
    )
    for pair, column in zip((EUR_USD, USD_CAD, EUR_GBP, USD_MXN), days.T, strict=True):
        assert column.sum() == (value_date(end, pair) - value_date(start, pair)).days
