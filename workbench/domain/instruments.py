"""Instruments: what is quoted, in which steps, and on what margin.

Pip and point come from a record, the broker's or the one shipped, never from the symbol's name.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NewType

from workbench.domain.hours import Hours
from workbench.domain.money import MICRO_DIGITS, scaled_to_whole
from workbench.domain.shipped_instruments import RECORDS
from workbench.errors import BadInputError

__all__ = [
    "INSTRUMENTS",
    "Instrument",
    "InstrumentId",
    "UnknownInstrumentError",
    "instrument",
    "known_instruments",
    "refresh_instruments",
]

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


def refresh_instruments(records: Iterable[Instrument]) -> None:
    """Let these records go before those shipped, in this process; none: back to those shipped.

    For entry points, which read them from the workbench's home when they start.
    """
    _refreshed.clear()
    _refreshed.update({str(item.id): item for item in records})


def known_instruments() -> Mapping[str, Instrument]:
    """Every record in force, refreshed ones first in rank, by name and in its order."""
    return MappingProxyType(dict(sorted({**INSTRUMENTS, **_refreshed}.items())))


def instrument(name: str) -> Instrument:
    """The record of the instrument called `name`, as in ``EUR_USD``.

    Raises
    ------
    UnknownInstrumentError
        No such instrument; the message names the nearest ones.
    """
    found = _refreshed.get(name) or INSTRUMENTS.get(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name.upper().replace("/", "_"), known_instruments(), n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "names look like EUR_USD"
    raise UnknownInstrumentError(
        f"unknown instrument {name!r}; {hint} `workbench data instruments` lists those known, "
        "with --refresh FILE it takes your broker's"
    )


def _shipped() -> Iterator[tuple[str, Instrument]]:
    for line in RECORDS.strip().splitlines():
        name, *numbers = line.split()
        digits, pip, lot, margin, settlement = (int(item) for item in numbers)
        base, quote = name.split("_")
        yield (
            name,
            Instrument(
                id=InstrumentId(name),
                base=base,
                quote=quote,
                digits=digits,
                pip_exponent=pip,
                lot_units=lot,
                margin_rate_ppm=margin,
                settlement_days=settlement,
            ),
        )


INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(dict(_shipped()))
_refreshed: dict[str, Instrument] = {}
