"""On which days the banks of a currency are closed: the calendars of the `holidays` library.

Which calendar stands for which currency, and what none of them can know (days decreed at short
notice, weekends other than Saturday and Sunday), is in `docs/decisions`. An exchange's calendar is
taken only where it is nearer to the payment system's than the public holidays are.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError

__all__ = ["BANK_CURRENCIES", "bank_holidays", "closed_days", "is_business_day"]

_Days = Mapping[date, str]
_Calendar = Callable[[int], list[tuple[date, str]]]


def bank_holidays(currency: str, year: int) -> tuple[tuple[date, str], ...]:
    """Days other than weekends on which no payment in `currency` settles, with their names, in order.

    Raises
    ------
    BadInputError
        No calendar is known for the currency.
    """
    return _bank_holidays(currency, year)


def is_business_day(session: date, currency: str) -> bool:
    """Whether payments in `currency` settle on that day."""
    return session.weekday() < 5 and session not in dict(bank_holidays(currency, session.year))


@lru_cache(maxsize=4_096)
def closed_days(currencies: frozenset[str], first_year: int, last_year: int) -> npt.NDArray[np.datetime64]:
    """Weekdays of whole years on which any of the currencies does not settle, sorted; not to be changed."""
    days = {
        day
        for currency in currencies
        for year in range(first_year, last_year + 1)
        for day, _ in bank_holidays(currency, year)
    }
    found = np.array(sorted(days), dtype="datetime64[D]")
    found.flags.writeable = False
    return found


@lru_cache(maxsize=16_384)
def _bank_holidays(currency: str, year: int) -> tuple[tuple[date, str], ...]:
    calendar = _CALENDARS.get(currency)
    if calendar is None:
        raise BadInputError(
            f"no bank calendar for {currency!r}; known: {', '.join(sorted(_CALENDARS))}. "
            "Without one no value date can be found: give the currency a calendar in "
            "workbench/domain/bank_holidays.py"
        )
    return tuple(sorted((day, name) for day, name in calendar(year) if day.weekday() < 5))


def _country(code: str, subdiv: str | None = None, *categories: str) -> _Calendar:
    def calendar(year: int) -> list[tuple[date, str]]:
        from holidays import country_holidays  # imported late: costs a tenth of a second

        found: _Days = country_holidays(
            code, subdiv=subdiv, years=year, categories=categories or None, language="en_US"
        )
        return list(found.items())

    return calendar


def _financial(code: str) -> _Calendar:
    def calendar(year: int) -> list[tuple[date, str]]:
        from holidays import financial_holidays

        found: _Days = financial_holidays(code, years=year, language="en_US")
        return list(found.items())

    return calendar


def _all(*parts: _Calendar) -> _Calendar:
    return lambda year: list(dict(item for part in parts for item in part(year)).items())


def _without(
    part: _Calendar,
    *,
    names: Iterable[str] = (),
    days: Iterable[tuple[int, int]] = (),
) -> _Calendar:
    left_out, dates = tuple(names), frozenset(days)
    return lambda year: [
        (day, name)
        for day, name in part(year)
        if not any(word in name for word in left_out) and (day.month, day.day) not in dates
    ]


def _known(part: _Calendar, *, first_year: int, last_year: int) -> _Calendar:
    """None outside the years that the library has, where it would warn."""
    return lambda year: part(year) if first_year <= year <= last_year else []


_LONDON = _country("GB", "ENG")
_HONG_KONG = _country("HK")

_CALENDARS: Mapping[str, _Calendar] = {
    "USD": _country("US"),  # federal holidays; a Saturday one is kept on the Friday before
    "EUR": _financial("XECB"),  # TARGET
    "GBP": _LONDON,
    "JPY": _country("JP", None, "public", "bank"),  # with 31 December, 2 and 3 January
    "CHF": _without(_financial("XSWX"), days=((12, 24), (12, 31))),  # SIX; banks settle on these two
    "CAD": _without(_country("CA", "ON", "public", "government", "optional"), names=("Easter Monday",)),
    "AUD": _country("AU", "NSW", "public", "bank"),
    "NZD": _all(_country("NZ", "WGN"), _country("NZ", "AUK")),  # both anniversary days
    "NOK": _country("NO"),
    "SEK": _country("SE", None, "public", "de_facto"),  # with midsummer's, Christmas and New Year's Eve
    "DKK": _without(_country("DK", None, "public", "optional"), days=((5, 1),)),
    "PLN": _country("PL"),
    "CZK": _country("CZ"),
    "HUF": _country("HU"),
    "MXN": _all(_country("MX"), _financial("XMEX")),  # with Maundy Thursday and Good Friday
    "SGD": _country("SG"),
    "HKD": _HONG_KONG,
    "CNH": _HONG_KONG,  # offshore
    "ZAR": _country("ZA"),
    "TRY": _country("TR"),
    "THB": _country("TH", None, "public", "bank"),
    "KRW": _country("KR", None, "public", "bank"),
    "INR": _known(_country("IN", "MH"), first_year=2001, last_year=2035),
    "SAR": _country("SA"),
    "ILS": _country("IL"),
    "RUB": _country("RU"),
    "KZT": _country("KZ"),
    "PKR": _country("PK"),
    "PHP": _country("PH"),
    "BRL": _country("BR"),
    "CLP": _country("CL", None, "public", "bank"),
    "ARS": _country("AR", None, "public", "bank"),
    "COP": _country("CO"),
    "TWD": _country("TW"),
    "XAU": _LONDON,  # loco London
    "XAG": _LONDON,
    "XPT": _LONDON,
    "XPD": _LONDON,
}

BANK_CURRENCIES = frozenset(_CALENDARS)
