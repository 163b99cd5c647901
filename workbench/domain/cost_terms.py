"""What trading one instrument costs, in whole numbers."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from workbench.errors import BadInputError

__all__ = ["HOURS_OF_WEEK", "FinancingMode", "InstrumentCosts", "swap_weekdays"]

HOURS_OF_WEEK = 168
_DAY = 24
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class FinancingMode(StrEnum):
    """In which unit a broker states what holding a position over 17:00 New York costs."""

    ANNUAL_365 = "ANNUAL_365"  # a year's rate on units * mid, over 365 days: OANDA
    ANNUAL_360 = "ANNUAL_360"  # the same over 360 days: MetaTrader "interest %"
    POINTS = "POINTS"  # points per unit and night: MetaTrader "points"
    CURRENCY = "CURRENCY"  # account currency per lot and night: MetaTrader "deposit currency"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentCosts:
    """What trading one instrument costs.

    Parameters
    ----------
    spread_points
        Points between bid and ask by hour of week, see `workbench.domain.calendar.hour_of_week`. Used where
        quotes have one side only.
    commission_ppm
        Millionths of the traded value, each side, booked in the account's currency.
    financing_long_ppm, financing_short_ppm
        Millionths of the unit of `financing_mode`: of a rate per year, of a point, of a currency unit.
        Negative pays.
    financing_weekdays
        Days charged at 17:00 New York on Monday to Sunday; None counts the days between value dates.
    margin_rate_ppm
        Millionths of the position's value; leverage is its inverse.
    slippage_points, slippage_spread_ppm
        Against market, stop and close-out fills: points, and millionths of the spread (rounded up).
    commission_per_lot
        Micro-units of the account's currency per lot of `Instrument.lot_units`, each side; instead of ppm.
    commission_minimum
        Micro-units of the account's currency per order.
    conversion_markup_ppm
        What the broker adds to both rates at which it converts profit into the account's currency.
    """

    spread_points: tuple[int, ...]
    commission_ppm: int
    financing_long_ppm: int
    financing_short_ppm: int
    margin_rate_ppm: int
    slippage_points: int = 0
    slippage_spread_ppm: int = 0
    commission_per_lot: int = 0
    commission_minimum: int = 0
    financing_mode: FinancingMode = FinancingMode.ANNUAL_365
    financing_weekdays: tuple[int, ...] | None = None
    conversion_markup_ppm: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "spread_points", tuple(self.spread_points))
        for number in (*self.spread_points, *(self.financing_weekdays or ())):
            _whole("spread_points and financing_weekdays", number)
        if len(self.spread_points) != HOURS_OF_WEEK or min(self.spread_points) < 0:
            raise BadInputError(
                f"expected {HOURS_OF_WEEK} spreads of 0 or more points, one an hour of the week; "
                f"found {len(self.spread_points)}, the lowest {min(self.spread_points, default='none')}"
            )
        for name, (low, high) in _LIMITS.items():
            number = getattr(self, name)
            _whole(name, number)
            if not low <= number <= high:
                raise BadInputError(f"{name}: expected {low:,} to {high:,}, found {number:,}")
        self._check_financing()
        if self.commission_ppm and self.commission_per_lot:
            raise BadInputError(
                f"expected a commission by value or by lot, found both "
                f"commission_ppm {self.commission_ppm} and commission_per_lot {self.commission_per_lot}; "
                "set one of them to 0"
            )

    def _check_financing(self) -> None:
        try:
            object.__setattr__(self, "financing_mode", FinancingMode(self.financing_mode))
        except ValueError:
            raise BadInputError(
                f"financing_mode: expected one of {', '.join(FinancingMode)}, found {self.financing_mode!r}"
            ) from None
        if self.financing_weekdays is None:
            return
        object.__setattr__(self, "financing_weekdays", tuple(self.financing_weekdays))
        if len(self.financing_weekdays) != len(_WEEKDAYS) or not all(
            0 <= days <= 31 for days in self.financing_weekdays
        ):
            raise BadInputError(
                "financing_weekdays: expected seven numbers of days, 0 to 31, for Monday to Sunday, found "
                f'{list(self.financing_weekdays)}; swap_weekdays("WED") makes the usual ones'
            )

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back; what a cost has by default is left out.

        The first six fields always stand there, so costs that need no other have the content, and hence the
        version, that they had before there were others.
        """
        values = asdict(self)
        given = {item.name: item.default for item in fields(self)}
        return {
            name: str(value) if isinstance(value, FinancingMode) else value
            for name, value in values.items()
            if name in _ALWAYS or value != given[name]
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "InstrumentCosts":
        """The costs that `to_json` or a person wrote.

        `spread_points` may be one number for every hour, or 24 of them from 17:00 New York on for every day.

        Raises
        ------
        BadInputError
            A field is missing, unknown, of another kind or out of range.
        """
        known = [item.name for item in fields(cls)]
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
                raise BadInputError(f"unknown field {name!r}; {hint}")
        missing = [name for name in _NEEDED if name not in value]
        if missing:
            raise BadInputError(f"the field {', '.join(missing)} is missing; add it, 0 for none")
        try:
            return cls(**{**value, "spread_points": _spreads(value["spread_points"])})
        except TypeError as error:
            raise BadInputError(f"a field is of another kind: {error}") from None


_ALWAYS = frozenset({item.name for item in fields(InstrumentCosts)[:6]})
_NEEDED = tuple(item.name for item in fields(InstrumentCosts)[:5])
# wide enough for any broker, narrow enough that no product of the engine leaves 64 bits
_LIMITS: Mapping[str, tuple[int, int]] = {
    "commission_ppm": (0, 1_000_000),
    "financing_long_ppm": (-(10**10), 10**10),
    "financing_short_ppm": (-(10**10), 10**10),
    "margin_rate_ppm": (1, 1_000_000),
    "slippage_points": (0, 1_000_000),
    "slippage_spread_ppm": (0, 100_000_000),
    "commission_per_lot": (0, 10**12),
    "commission_minimum": (0, 10**12),
    "conversion_markup_ppm": (0, 500_000),
}


def swap_weekdays(triple: str = "WED") -> tuple[int, ...]:
    """Days charged on Monday to Sunday by a broker that charges a weekend on one weekday, as MetaTrader does.

    Raises
    ------
    BadInputError
        `triple` is not one of MON, TUE, WED, THU and FRI.
    """
    if triple.upper()[:3] not in _WEEKDAYS[:5]:
        raise BadInputError(f"triple: expected one of {', '.join(_WEEKDAYS[:5])}, found {triple!r}")
    day = _WEEKDAYS.index(triple.upper()[:3])
    return tuple(0 if weekday > 4 else 3 if weekday == day else 1 for weekday in range(7))


def _whole(name: str, number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int):
        raise BadInputError(f"{name}: expected whole points, millionths or micro-units, found {number!r}")


def _spreads(value: Any) -> tuple[int, ...]:
    if isinstance(value, int | float):
        value = (value,) * HOURS_OF_WEEK
    if len(value) == _DAY:
        value = tuple(value) * (HOURS_OF_WEEK // _DAY)
    return tuple(value)
