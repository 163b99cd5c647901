"""Euro reference rates of the European Central Bank: for reports in one currency, never for trading.

One rate a day, of 14:15 Central European Time, published around 16:00.
"""

import csv
import io
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from workbench.errors import BadInputError
from workbench.market.errors import MissingDataError
from workbench.market.sample.files import sample_files

__all__ = ["ecb_rate", "ecb_sessions"]

_LONGEST_PAUSE = timedelta(days=5)  # Easter: Thursday's rate still stands on Monday


def ecb_rate(currency: str, session: date) -> Decimal:
    """Units of `currency` for one euro on `session`, or on the last day before it that has a rate.

    Raises
    ------
    BadInputError
        The currency is not among those of the reference rates.
    MissingDataError
        No rate within the five days up to `session`.
    """
    if currency == "EUR":
        return Decimal(1)
    rates = _rates()
    if currency not in rates:
        raise BadInputError(
            f"no reference rate for {currency!r}; the European Central Bank gives {', '.join(sorted(rates))}"
        )
    for days in range(_LONGEST_PAUSE.days + 1):
        found = rates[currency].get(session - timedelta(days=days))
        if found is not None:
            return found
    first, last = ecb_sessions(currency)
    raise MissingDataError(
        f"no reference rate for {currency} on {session}; there are rates from {first} to {last}"
    )


def ecb_sessions(currency: str) -> tuple[date, date]:
    """First and last day with a rate for `currency`."""
    known = _rates()[currency]
    return min(known), max(known)


@lru_cache(maxsize=1)
def _rates() -> dict[str, dict[date, Decimal]]:
    with zipfile.ZipFile(sample_files().ecb_rates) as archive, archive.open(archive.namelist()[0]) as member:
        rows = csv.reader(io.TextIOWrapper(member, encoding="utf-8"))
        header = [name.strip() for name in next(rows)]
        rates: dict[str, dict[date, Decimal]] = {name: {} for name in header[1:] if name}
        for row in rows:
            session = date.fromisoformat(row[0])
            for name, text in zip(header[1:], row[1:], strict=False):
                if name and text.strip() not in ("", "N/A"):
                    rates[name][session] = Decimal(text.strip())
    return rates
