"""How much to trade: units, lots, money, a share of the equity, a risk, a volatility."""

import math
import numbers
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.errors import BadInputError
from workbench.strategy.expressions import TRUTH, Expr

__all__ = [
    "MAX_ORDER_UNITS",
    "SIZE_CASH",
    "SIZE_EQUITY",
    "SIZE_RISK_FRACTION",
    "SIZE_UNITS",
    "SIZE_VOLATILITY",
    "Cash",
    "EquityFraction",
    "Lots",
    "RiskFraction",
    "Size",
    "Units",
    "VolatilityTarget",
    "size_arguments",
]

MAX_ORDER_UNITS = 1_000_000_000
MAX_LEVERAGE = 1_000.0

SIZE_UNITS, SIZE_RISK_FRACTION, SIZE_CASH, SIZE_EQUITY, SIZE_VOLATILITY = range(5)


class Units:
    """A fixed number of units of the base currency."""

    __slots__ = ("units",)

    def __init__(self, units: int) -> None:
        whole = isinstance(units, numbers.Integral) and not isinstance(units, bool)
        if not whole or not 1 <= units <= MAX_ORDER_UNITS:
            raise BadInputError(
                f"Units: expected a whole number from 1 to {MAX_ORDER_UNITS:,}, found {units!r}"
            )
        self.units = int(units)

    def __repr__(self) -> str:
        return f"Units({self.units})"


class Lots:
    """Standard lots of the instrument, as in ``Lots("0.1")``: 10,000 units where a lot is 100,000."""

    __slots__ = ("lots",)

    def __init__(self, lots: Decimal | str | float) -> None:
        self.lots = _amount("Lots", lots)

    def __repr__(self) -> str:
        return f'Lots("{self.lots}")'


class Cash:
    """As many units as are worth this much of the account's currency at the last price."""

    __slots__ = ("amount",)

    def __init__(self, amount: Decimal | str | float) -> None:
        self.amount = _amount("Cash", amount)

    def __repr__(self) -> str:
        return f'Cash("{self.amount}")'


class EquityFraction:
    """As many units as are worth this share of the equity at the last price; above 1 is leverage."""

    __slots__ = ("fraction",)

    def __init__(self, fraction: float) -> None:
        self.fraction = _fraction("EquityFraction", fraction, most=MAX_LEVERAGE)

    def __repr__(self) -> str:
        return f"EquityFraction({self.fraction!r})"


class RiskFraction:
    """As many units as lose this fraction of the equity when the stop is hit; needs a stop."""

    __slots__ = ("fraction",)

    def __init__(self, fraction: float) -> None:
        self.fraction = _fraction("RiskFraction", fraction, most=1.0)

    def __repr__(self) -> str:
        return f"RiskFraction({self.fraction:g})"


class VolatilityTarget:
    """As many units as move by this share of the equity in a year, as one standard deviation.

    Parameters
    ----------
    annual
        The volatility that the position adds to the account, as a fraction: 0.10 is 10 % a year.
    lookback
        Measure the instrument's own volatility by the deviation of the log returns of that many bars of
        `timeframe`.
    volatility
        Or take it from an expression: a fraction a year, above 0.
    timeframe
        Of the bars that `lookback` counts; days by default, of which a year of trading has 260.
    """

    __slots__ = ("annual", "lookback", "timeframe", "volatility")

    def __init__(
        self,
        annual: float,
        *,
        lookback: int | None = None,
        volatility: Expr | None = None,
        timeframe: str = "D1",
    ) -> None:
        self.annual = _fraction("VolatilityTarget", annual, most=MAX_LEVERAGE)
        if (lookback is None) == (volatility is None):
            raise BadInputError(
                "VolatilityTarget: expected either lookback= or volatility=, found both or neither"
            )
        if volatility is not None and (not isinstance(volatility, Expr) or volatility.kind == TRUTH):
            raise BadInputError(
                "VolatilityTarget volatility: expected an expression of a fraction a year, "
                f"found {volatility!r}"
            )
        whole = isinstance(lookback, numbers.Integral) and not isinstance(lookback, bool)
        if lookback is not None and (not whole or lookback < 2):
            raise BadInputError(f"VolatilityTarget lookback: expected 2 bars or more, found {lookback!r}")
        self.lookback = None if lookback is None else int(lookback)
        self.volatility = volatility
        self.timeframe = str(timeframe_named(timeframe))

    def __repr__(self) -> str:
        if self.volatility is not None:
            return f"VolatilityTarget({self.annual!r}, volatility={self.volatility!r})"
        frame = "" if self.timeframe == "D1" else f', timeframe="{self.timeframe}"'
        return f"VolatilityTarget({self.annual!r}, lookback={self.lookback}{frame})"


Size = Units | Lots | Cash | EquityFraction | RiskFraction | VolatilityTarget


def size_arguments(size: Size, instrument: Instrument) -> tuple[int, float]:
    """The size as the decision takes it: a `SIZE_...` and a number.

    Units for units and lots, micro-units of the account's currency for cash, a fraction for the others.

    Raises
    ------
    BadInputError
        Units or lots of which no order can be made.
    """
    match size:
        case Units():
            return SIZE_UNITS, _tradable(size, Decimal(size.units), instrument)
        case Lots():
            return SIZE_UNITS, _tradable(size, size.lots * instrument.lot_units, instrument)
        case Cash():
            return SIZE_CASH, float(size.amount * 1_000_000)
        case EquityFraction():
            return SIZE_EQUITY, size.fraction
        case RiskFraction():
            return SIZE_RISK_FRACTION, size.fraction
        case VolatilityTarget():
            return SIZE_VOLATILITY, size.annual


def size_settings(size: Size) -> Mapping[str, Any]:
    """The size as a plain value; the volatility's expression is left to the caller."""
    match size:
        case Units():
            return {"units": size.units}
        case Lots():
            return {"lots": str(size.lots)}
        case Cash():
            return {"cash": str(size.amount)}
        case EquityFraction():
            return {"equity_fraction": size.fraction}
        case RiskFraction():
            return {"risk_fraction": size.fraction}
        case VolatilityTarget():
            if size.volatility is not None:
                return {"volatility_target": size.annual}
            return {
                "volatility_target": size.annual,
                "lookback": size.lookback,
                "timeframe": size.timeframe,
            }


def _tradable(size: Size, units: Decimal, instrument: Instrument) -> float:
    """Units that can be ordered, when floored to whole steps."""
    if units // instrument.unit_step * instrument.unit_step < instrument.minimum_units:
        least = max(instrument.minimum_units, instrument.unit_step)
        raise BadInputError(
            f"{size!r}: expected {least:,} units of {instrument.id} or more, the least that can be ordered, "
            f"found {units.normalize():f}; a lot is {instrument.lot_units:,} units"
        )
    return float(units)


def _amount(what: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or not 0 < number <= Decimal(10) ** 12:
        raise BadInputError(f"{what}: expected an amount above 0, found {value!r}")
    return number


def _fraction(what: str, value: object, *, most: float) -> float:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = float(value) if real else math.nan  # type: ignore[arg-type]  # a real number, just checked
    if not 0.0 < number <= most:
        raise BadInputError(f"{what}: expected a fraction above 0 and up to {most:g}, found {value!r}")
    return number
