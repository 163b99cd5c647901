"""Value dates of spot trades, and the days of financing that follow from them.

The rules of the market: spot settles two (some pairs one) good business days of both currencies
after the trade. The value date may not be a USD holiday, not even for a cross. A USD holiday on the
day between does not count, except against MXN, CLP and ARS. At 17:00 New York a position moves to
the next session's value date and pays for the calendar days between the two.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.domain.bank_holidays import closed_days
from workbench.domain.instants import NEW_YORK, day_close_ns, to_datetime
from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError

__all__ = ["financing_days", "rollover_table", "value_date"]

Ints = npt.NDArray[np.int64]
_Days = npt.NDArray[np.datetime64]
_Key = tuple[str, str, int]  # base, quote, settlement days

_STRICT_ABOUT_USD = frozenset({"MXN", "CLP", "ARS"})
_PLAIN_WEEK = (1, 1, 3, 1, 1)  # Monday to Friday, two days to settle, no holiday
_FIRST_YEAR, _LAST_YEAR = 1971, 2098


def value_date(session: date, instrument: Instrument) -> date:
    """When a trade done in `session` settles."""
    found: date = _value_dates(np.array([session], dtype="datetime64[D]"), _key(instrument))[0].item()
    return found


def financing_days(session: date, instrument: Instrument | None = None) -> int:
    """Days of financing charged at the end of `session`, 17:00 New York; 0 on Saturday and Sunday.

    Without an instrument those of a pair that settles in two days in a week without holidays.
    """
    weekday = session.weekday()
    if weekday >= len(_PLAIN_WEEK):
        return 0
    if instrument is None:
        return _PLAIN_WEEK[weekday]
    sessions, _, days = _year(_key(instrument), session.year)
    return int(days[np.searchsorted(sessions, np.datetime64(session, "D"))])


def rollover_table(instruments: Sequence[Instrument], after_ns: int, until_ns: int) -> tuple[Ints, Ints]:
    """The rollovers in `(after_ns, until_ns]` at which any of the instruments is charged.

    Returns
    -------
    tuple
        Instants in ns, shape (rollovers,), ascending; days charged, shape (rollovers, instruments),
        the columns in the order given, 0 where an instrument is not charged.
    """
    years = range(_year_of(after_ns), _year_of(until_ns) + 1)
    if not instruments or not years:
        return np.empty(0, dtype=np.int64), np.empty((0, len(instruments)), dtype=np.int64)
    tables = [[_year(_key(item), year) for year in years] for item in instruments]
    close_ns = np.concatenate([part[1] for part in tables[0]])
    days = np.stack([np.concatenate([part[2] for part in table]) for table in tables], axis=1)
    chosen = (close_ns > after_ns) & (close_ns <= until_ns) & (days > 0).any(axis=1)
    return close_ns[chosen], np.ascontiguousarray(days[chosen])


def _key(instrument: Instrument) -> _Key:
    return instrument.base, instrument.quote, instrument.settlement_days


def _year_of(time_ns: int) -> int:
    """The New York year; 17:00 of its last session is within it."""
    return to_datetime(time_ns).astimezone(NEW_YORK).year


@lru_cache(maxsize=8_192)
def _year(key: _Key, year: int) -> tuple[_Days, Ints, Ints]:
    """The weekday sessions of a New York year, their ends in ns and the days charged there."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise BadInputError(f"expected a year from {_FIRST_YEAR} to {_LAST_YEAR}, found {year}")
    sessions = _weekdays(year)
    first_of_next = np.busday_offset(np.datetime64(f"{year + 1}-01-01", "D"), 0, roll="forward")
    values = _value_dates(np.append(sessions, first_of_next), key)
    days = np.diff(values).astype(np.int64)
    days.flags.writeable = False
    return sessions, _closes(year), days


@lru_cache(maxsize=256)
def _weekdays(year: int) -> _Days:
    every = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
    return every[np.is_busday(every)]


@lru_cache(maxsize=256)
def _closes(year: int) -> Ints:
    found = np.array([day_close_ns(item) for item in _weekdays(year).tolist()], dtype=np.int64)
    found.flags.writeable = False
    return found


def _value_dates(sessions: _Days, key: _Key) -> _Days:
    """Value dates of ascending sessions."""
    base, quote, settlement_days = key
    pair = frozenset({base, quote})
    between = pair if pair & _STRICT_ABOUT_USD else pair - {"USD"}
    years = (sessions[0].item().year, sessions[-1].item().year + 1)
    found = sessions
    for _ in range(settlement_days - 1):
        found = _next_good_day(found, between, years)
    return _next_good_day(found, pair | {"USD"}, years)


def _next_good_day(after: _Days, currencies: frozenset[str], years: tuple[int, int]) -> _Days:
    good = _business_days(currencies, *years)
    found: _Days = np.busday_offset(after, 1, roll="backward", busdaycal=good)
    return found


@lru_cache(maxsize=4_096)
def _business_days(currencies: frozenset[str], first_year: int, last_year: int) -> np.busdaycalendar:
    return np.busdaycalendar(holidays=closed_days(currencies, first_year, last_year))
