"""Instruments: what is quoted, in which steps, and on what margin.

Pip and point come from the broker's record, never from the symbol's name. The records below are
OANDA's (v20 instrument records; margin rates are the EU/UK retail caps of ESMA: 30:1 majors,
20:1 other pairs and gold, 10:1 other metals).
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NewType

from workbench.domain.hours import Hours
from workbench.domain.money import MICRO_DIGITS, scaled_to_whole
from workbench.errors import BadInputError

__all__ = ["INSTRUMENTS", "Instrument", "InstrumentId", "UnknownInstrumentError", "instrument"]

InstrumentId = NewType("InstrumentId", str)  # BASE_QUOTE, as in EUR_USD


class UnknownInstrumentError(BadInputError):
    """No instrument of that name is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument's record."""

    id: InstrumentId
    base: str  # ISO 4217, or XAU and XAG
    quote: str  # ISO 4217
    digits: int  # decimals of a price; one point is 10**-digits
    pip_exponent: int  # one pip is 10**pip_exponent
    unit_step: int = 1  # units of the base currency
    minimum_units: int = 1
    lot_units: int = 100_000
    margin_rate_ppm: int = 33_333  # millionths of the position's value
    settlement_days: int = 2  # good business days from the trade to its value date
    hours: Hours | None = None  # None: those of the market, see `workbench.domain.calendar.hours_of`

    @property
    def points_per_pip(self) -> int:
        """Whole points in one pip."""
        return int(10 ** (self.digits + self.pip_exponent))

    @property
    def micro_per_point(self) -> int:
        """Micro-units of the quote currency that one unit gains when the price rises by one point."""
        return int(10 ** (MICRO_DIGITS - self.digits))

    def to_points(self, price: Decimal | str) -> int:
        """Whole points of a price.

        Raises
        ------
        ValueError
            The price is not a whole number of points.
        """
        found = scaled_to_whole(price, digits=self.digits)
        if found is None:
            raise ValueError(
                f"{self.id}: expected a price with at most {self.digits} decimals, found {price}"
            )
        return found

    def to_price(self, points: int) -> Decimal:
        """The exact price of a whole number of points."""
        return Decimal(int(points)).scaleb(-self.digits)


def _pair(name: str, *, margin_rate_ppm: int = 50_000) -> Instrument:
    base, quote = name.split("_")
    yen_like = quote in ("JPY", "HUF")
    return Instrument(
        id=InstrumentId(name),
        base=base,
        quote=quote,
        digits=3 if yen_like else 5,
        pip_exponent=-2 if yen_like else -4,
        margin_rate_ppm=margin_rate_ppm,
        settlement_days=1 if name == "USD_CAD" else 2,
    )


def _metal(name: str, *, digits: int, lot_units: int, margin_rate_ppm: int) -> Instrument:
    base, quote = name.split("_")
    return Instrument(
        id=InstrumentId(name),
        base=base,
        quote=quote,
        digits=digits,
        pip_exponent=-2 if digits == 3 else -4,
        lot_units=lot_units,
        margin_rate_ppm=margin_rate_ppm,
    )


_MAJORS = ("EUR_USD", "GBP_USD", "USD_JPY", "USD_CHF", "USD_CAD", "EUR_GBP", "EUR_JPY", "EUR_CHF", "GBP_JPY")
_OTHERS = (
    *("AUD_USD", "NZD_USD", "AUD_JPY", "AUD_NZD", "AUD_CAD", "CAD_JPY", "CHF_JPY", "EUR_AUD", "EUR_CAD"),
    *("EUR_NZD", "GBP_AUD", "GBP_CAD", "GBP_CHF", "GBP_NZD", "NZD_JPY", "EUR_NOK", "EUR_SEK", "USD_NOK"),
    *("USD_SEK", "USD_MXN", "USD_PLN", "EUR_PLN", "USD_SGD", "USD_ZAR", "EUR_HUF", "USD_HUF"),
)

INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {
        item.id: item
        for item in (
            *(_pair(name, margin_rate_ppm=33_333) for name in _MAJORS),
            *(_pair(name) for name in _OTHERS),
            _metal("XAU_USD", digits=3, lot_units=100, margin_rate_ppm=50_000),
            _metal("XAG_USD", digits=5, lot_units=5_000, margin_rate_ppm=100_000),
        )
    }
)


def instrument(name: str) -> Instrument:
    """The record of the instrument called `name`, as in ``EUR_USD``.

    Raises
    ------
    UnknownInstrumentError
        No such instrument; the message names the nearest ones.
    """
    found = INSTRUMENTS.get(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name.upper().replace("/", "_"), INSTRUMENTS, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "names look like EUR_USD"
    raise UnknownInstrumentError(f"unknown instrument {name!r}; {hint}")
